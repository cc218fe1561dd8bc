# The one image of skep: its gateway, the simulator, the node agent and the sandbox of Pods, and nothing else.
# `make image` builds the programs with the Go of this machine and lays them out in rootfs, so that no registry is needed.
FROM scratch
COPY rootfs /
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="skep" \
      org.opencontainers.image.description="The Kubernetes API in front of a Docker Swarm" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
# Root inside: only root and the group docker may use the engine's socket, and that group's number differs by machine.
EXPOSE 6443
ENTRYPOINT ["/skep"]
CMD ["serve", "--listen", "0.0.0.0:6443", "--data-dir", "/data"]
