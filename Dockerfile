# syntax=docker/dockerfile:1
# One image for every place that rents GPUs (docs/image.md). The base holds no CUDA: torch's wheel brings its own.
#   docker build -t isoscale .                        torch of today, CUDA 13.2: drivers from 580
#   docker build -t isoscale --build-arg CUDA=12 .    torch 2.10, CUDA 12.8: drivers from 525
FROM ghcr.io/astral-sh/uv:0.13.8 AS uv

# What goes into which layer: reviewed lists of versions with hashes. A layer is rebuilt when its list changes.
FROM python:3.13-slim-trixie AS lists
ARG CUDA=13
WORKDIR /lists
COPY requirements ./
RUN mv "torch-cuda$CUDA.txt" torch.txt && mv "cuda$CUDA.txt" all.txt

FROM python:3.13-slim-trixie AS image
# g++: torch.compile and Triton compile at run time; rsync, tmux: for who logs in
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates g++ procps rsync tini tmux \
 && rm -rf /var/lib/apt/lists/*

# Packages go into the image's own Python, so that a login shell, which has none of this file's ENV, finds them too.
ENV UV_SYSTEM_PYTHON=1 UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1

# 1. torch and what it needs: gigabytes, changes with torch
COPY --from=lists /lists/torch.txt /opt/lists/
RUN --mount=type=bind,from=uv,source=/uv,target=/bin/uv \
    --mount=type=cache,target=/root/.cache/uv \
    uv pip install --require-hashes --requirements /opt/lists/torch.txt

# 2. the other dependencies
COPY --from=lists /lists/all.txt /opt/lists/
RUN --mount=type=bind,from=uv,source=/uv,target=/bin/uv \
    --mount=type=cache,target=/root/.cache/uv \
    uv pip install --require-hashes --requirements /opt/lists/all.txt

# Only /workspace and /tmp are written. From the two folders where a command is typed, /app and root's home, links lead
# into /workspace, for a shell that knows none of these variables; sshd gives its sessions /etc/environment. Without
#, torch 2.10 asks for the user's name, and fails for a user who has none.
ENV HF_HOME=/workspace/.cache/huggingface \
    ISOSCALE_CACHE=/workspace/.cache/isoscale \
    MPLCONFIGDIR=/workspace/.cache/matplotlib \
    TRITON_CACHE_DIR=/workspace/.cache/triton \
    LOGNAME=isoscale \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONNOUSERSITE=1 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN for name in HF_HOME ISOSCALE_CACHE MPLCONFIGDIR TRITON_CACHE_DIR; do \
      echo "$name=$(printenv "$name")" >> /etc/environment; \
    done \
 && install -d -m 1777 /workspace \
 && for folder in /app /root; do \
      mkdir -p "$folder/.cache" \
   && ln -s /workspace/.cache/isoscale "$folder/.cache/isoscale" \
   && ln -s /workspace/checkpoints /workspace/figures /workspace/.env "$folder/"; \
    done

# 3. our code
WORKDIR /app
COPY LICENSE README.md pyproject.toml run.py ./
COPY app ./app
ARG REVISION=""
ENV ISOSCALE_COMMIT=$REVISION
RUN python3 -m compileall -q app run.py \
 && echo "ISOSCALE_COMMIT=$REVISION" >> /etc/environment
LABEL org.opencontainers.image.title="isoscale" \
      org.opencontainers.image.description="Which vision architecture is better at the same budget, data and seed" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.documentation="/app/README.md" \
      org.opencontainers.image.revision=$REVISION
ENTRYPOINT ["tini", "-g", "--", "python3", "/app/run.py"]
CMD ["--help"]
