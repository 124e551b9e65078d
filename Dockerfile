# The production image: every role, no embedded servers (they come with the extra `local`), no Java.
# Its build needs PyPI, and Maven Central for the console's front-end libraries.

FROM python:3.13 AS build
RUN python -m venv /opt/watchloop
COPY . /source
RUN /opt/watchloop/bin/pip install --no-cache-dir /source

FROM python:3.13-slim
# One fixed user id: the volumes of learn and intake hold files of this user.
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin watchloop \
    && install -d -m 0700 -o watchloop -g watchloop \
        /var/lib/watchloop /var/lib/watchloop/keys /var/lib/watchloop/keys/public /var/lib/watchloop/state
COPY --from=build /opt/watchloop /opt/watchloop
ENV PATH=/opt/watchloop/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    WATCHLOOP_WORKER_DATA=/var/lib/watchloop \
    WATCHLOOP_WORKER_METRICS_PORT=9100 \
    WATCHLOOP_WORKER_METRICS_HOST=0.0.0.0
# Which models a worker has known: after a restart it takes no older one. Compose keeps it for each container.
VOLUME /var/lib/watchloop/state
USER watchloop
WORKDIR /var/lib/watchloop
# A worker without the console answers on its metrics port; the service with the console overrides this.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9100/metrics', timeout=4)"]
ENTRYPOINT ["watchloop"]
CMD ["--help"]
