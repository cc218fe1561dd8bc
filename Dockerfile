# skep in an image of nothing but itself: `make image`, then docs/stack.yml.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY swarm/simulator/go.mod swarm/simulator/go.sum swarm/simulator/
RUN go mod download && go -C swarm/simulator mod download
COPY . .
ARG VERSION=unknown
RUN kube=$(go list -m -f '{{.Version}}' k8s.io/kubernetes) && minor=${kube#v1.} && \
    for p in k8s.io/component-base/version k8s.io/client-go/pkg/version; do \
      flags="$flags -X $p.gitVersion=$kube -X $p.gitMajor=1 -X $p.gitMinor=${minor%%.*} -X $p.gitCommit= -X $p.gitTreeState=clean"; \
    done && \
    CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags "-s -w -X main.release=$VERSION $flags" -o /skep . && \
    CGO_ENABLED=0 go -C swarm/simulator build -buildvcs=false -trimpath -ldflags "-s -w" -o /skep-simulate ./skep-simulate && \
    mkdir -p /rootfs/data /rootfs/tmp && chmod 700 /rootfs/data && chmod 1777 /rootfs/tmp

FROM scratch
COPY --from=build /rootfs /
COPY --from=build /skep /skep-simulate /
# Root inside: only root and the group docker may use the engine's socket, and that group's number differs by machine.
EXPOSE 6443
ENTRYPOINT ["/skep"]
CMD ["serve", "--listen", "0.0.0.0:6443", "--data-dir", "/data"]
