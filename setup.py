"Install diffusion_anchor from settings.ini, the one place where its name, version and requirements are written."
from configparser import ConfigParser
from packaging.version import Version  # not pkg_resources: setuptools >= 82 no longer has it
from setuptools import setup, find_packages

ini = ConfigParser(delimiters=['='])
ini.read('settings.ini', encoding='utf-8')
cfg = ini['DEFAULT']
oldest = Version(cfg['min_python'])
pythons = [f'3.{minor}' for minor in range(oldest.minor, 15)]

setup(
    name=cfg['lib_name'], version=cfg['version'], description=cfg['description'], keywords=cfg['keywords'].split(),
    author=cfg['author'], author_email=cfg['author_email'], url=cfg['git_url'], license='Apache-2.0',
    long_description=open('README.md', encoding='utf-8').read(), long_description_content_type='text/markdown',
    packages=find_packages(include=[f"{cfg['lib_name']}*"]), include_package_data=True, zip_safe=False,
    python_requires=f'>={oldest}',
    install_requires=cfg['requirements'].split(), extras_require={extra: cfg[f'{extra}_requirements'].split() for extra in ('dev', 'dask', 'mauve')},
    classifiers=['Development Status :: 3 - Alpha', 'Intended Audience :: Science/Research', 'Natural Language :: English']
                + [f'Programming Language :: Python :: {v}' for v in pythons],
    entry_points={'console_scripts': [s.strip() for s in cfg['console_scripts'].strip().splitlines()],
                  'nbdev': [f"{cfg['lib_name']}={cfg['lib_name']}._modidx:d"]},
)
