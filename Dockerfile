# docker build -t ate . && docker run --rm -v "$PWD/runs:/ate/runs" ate run --profile smoke      (GPUs: --gpus all)
FROM python:3.11-slim

ENV PIP_NO_CACHE_DIR=1 OMP_WAIT_POLICY=PASSIVE MUJOCO_GL=disabled
WORKDIR /ate

# Pictures and films of robots need EGL, which draws in software.
RUN apt-get update -qq && apt-get install -y -qq libegl1 libopengl0 libgl1-mesa-dri >/dev/null && rm -rf /var/lib/apt/lists/*

# Dependencies first: they change less often than the code. The versions are those of constraints.txt, here as everywhere.
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY ate ate
RUN pip install -c constraints.txt -e '.[all]'

COPY notebooks notebooks
COPY data data

ENTRYPOINT ["ate"]
CMD ["--help"]
