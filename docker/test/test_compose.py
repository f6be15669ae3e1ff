# SPDX-License-Identifier: Apache-2.0
"""What compose.yaml names exists: variants, volumes, launch files, the nodes asked for health."""

import re

import pytest
import yaml
from dockerfile import DOCKER, REPOSITORY, stages

from sam_segmentation.models.registry import find_model

COMPOSE = yaml.safe_load((DOCKER / 'compose.yaml').read_text())
SERVICES = COMPOSE['services']
NODES = {name: service for name, service in SERVICES.items() if name != 'bag'}
DEFAULTS = dict(
    line.split('=', 1)
    for line in (DOCKER / '.env').read_text().splitlines()
    if line and not line.startswith('#')
)


def test_one_service_of_nodes_per_variant():
    variants = {stage[0].words()[-1] for stage in stages() if len(stage[0].words()) == 3}
    for service in NODES.values():
        [profile] = service['profiles']
        assert f'base-{profile}' in variants
    assert sorted(service['profiles'][0] for service in NODES.values()) == [
        'cpu', 'cuda', 'jetson',
    ]  # fmt: skip


def test_the_bag_plays_in_every_profile():
    assert 'profiles' not in SERVICES['bag']


def test_without_any_setting_the_nodes_of_the_cpu_variant_start():
    assert DEFAULTS['COMPOSE_PROFILES'] == 'cpu'
    assert find_model(DEFAULTS['SAM_MODEL'])


def test_every_variable_has_the_same_default_in_the_file_and_in_env():
    text = (DOCKER / 'compose.yaml').read_text()
    found = re.findall(r'\$\{(\w+):-(\w+)\}', text)
    assert {name for name, _ in found} == set(DEFAULTS)
    assert all(DEFAULTS[name] == default for name, default in found)


@pytest.mark.parametrize('name', SERVICES)
def test_a_service_is_built_from_this_dockerfile(name):
    build = SERVICES[name]['build']
    context = (DOCKER / build['context']).resolve()
    assert context == REPOSITORY
    assert (context / build['dockerfile']) == DOCKER / 'Dockerfile'
    assert build['args'] == {'VARIANT': '${COMPOSE_PROFILES:-cpu}'}


@pytest.mark.parametrize('name', SERVICES)
def test_a_container_on_the_hosts_network_shares_its_memory_too(name):
    assert SERVICES[name]['network_mode'] == 'host'
    assert SERVICES[name]['ipc'] == 'host'


@pytest.mark.parametrize('name', NODES)
def test_models_are_kept_in_a_named_volume_where_the_image_looks_for_them(name):
    [environment] = [each.value for each in stages()[-1] if each.name == 'ENV']
    [(volume, path)] = [entry.split(':') for entry in NODES[name]['volumes']]
    assert volume in COMPOSE['volumes']
    assert f'SAM_CHECKPOINT_DIR={path}' in environment.split()


@pytest.mark.parametrize('name', NODES)
def test_the_nodes_that_the_launch_file_starts_are_asked(name):
    ros2, launch, package, file, *arguments = NODES[name]['command']
    assert (ros2, launch) == ('ros2', 'launch')
    text = (REPOSITORY / package / 'launch' / file).read_text()
    included = re.findall(r'<include file="\$\(find-pkg-share sam_bringup\)/([^"]+)"', text)
    texts = [text, *((REPOSITORY / package / path).read_text() for path in included)]
    started = {
        node
        for text in texts
        for node in re.findall(r'pkg="sam_\w+" exec="\w+" name="(\w+)"', text)
    }
    test = NODES[name]['healthcheck']['test']
    assert test[:4] == ['CMD', '/opt/sam/entrypoint.sh', 'python', '/opt/sam/health.py']
    assert set(test[4:]) == {f'/{node}' for node in started}
    for argument in arguments:
        assert f'<arg name="{argument.partition(":=")[0]}"' in text


def test_the_gpu_is_asked_for_where_there_is_one():
    [device] = SERVICES['sam-cuda']['deploy']['resources']['reservations']['devices']
    assert device == {'driver': 'nvidia', 'count': 1, 'capabilities': ['gpu']}
    assert SERVICES['sam-jetson']['runtime'] == 'nvidia'
    assert 'deploy' not in SERVICES['sam']
