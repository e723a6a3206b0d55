# Kunstkammer with torch for the processor: every command, and `serve` for run folders.
#   docker build -t kunstkammer .
#   docker run --rm -p 127.0.0.1:8000:8000 -v "$PWD/runs/pages:/models/pages:ro" -v kunstkammer:/data kunstkammer
# A server for exported models alone is a fifth as large: docker/slim/Dockerfile.
FROM python:3.11.14-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
RUN python -m venv /opt/kunstkammer
# Torch first and by itself: its wheels for the processor have an index of their own, and change more rarely than we do.
COPY constraints.txt ./
RUN /opt/kunstkammer/bin/pip install --no-cache-dir --no-deps --constraint constraints.txt \
        --index-url https://download.pytorch.org/whl/cpu torch
COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY src ./src
RUN /opt/kunstkammer/bin/pip install --no-cache-dir --constraint constraints.txt ".[postgres,onnx]"
# Pictures on S3: it wants an older python-dateutil than the other list names.
COPY packaging/slim/constraints.txt ./slim-constraints.txt
RUN /opt/kunstkammer/bin/pip install --no-cache-dir --constraint slim-constraints.txt s3fs

FROM python:3.11.14-slim-bookworm
RUN groupadd --system --gid 10001 kunstkammer \
    && useradd --system --uid 10001 --gid 10001 --home-dir /data --shell /usr/sbin/nologin kunstkammer \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data \
    && install --directory /models
COPY --from=build /opt/kunstkammer /opt/kunstkammer
ENV PATH=/opt/kunstkammer/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HUB_OFFLINE=1 \
    KUNSTKAMMER_HOST=0.0.0.0 \
    KUNSTKAMMER_PORT=8000 \
    KUNSTKAMMER_FOLDER=/data/web \
    KUNSTKAMMER_CACHE=/data/cache \
    KUNSTKAMMER_RUNS=/models/pages
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['KUNSTKAMMER_PORT'] + '/api/v1/health', timeout=4)"]
ENTRYPOINT ["kunstkammer"]
CMD ["serve"]
