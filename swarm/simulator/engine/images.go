package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"

	"github.com/containerd/log"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/server/httputils"
	"github.com/docker/docker/api/server/router"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/errdefs"
	"github.com/moby/swarmkit/v2/api"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// imageRoutes are a registry in which there is every image that can be pulled, and a node that keeps none.
func (e *engine) imageRoutes() router.Router {
	return routes{
		router.NewGetRoute("/distribution/{name:.*}/json", e.getDistribution),
		router.NewGetRoute("/images/json", func(_ context.Context, w http.ResponseWriter, _ *http.Request, _ map[string]string) error {
			return httputils.WriteJSON(w, http.StatusOK, []image.Summary{})
		}),
		router.NewGetRoute("/images/{name:.*}/json", func(_ context.Context, _ http.ResponseWriter, _ *http.Request, vars map[string]string) error {
			return errdefs.NotFound(fmt.Errorf("No such image: %s", vars["name"])) //nolint:staticcheck // Docker's own words
		}),
	}
}

func (e *engine) getDistribution(_ context.Context, w http.ResponseWriter, _ *http.Request, vars map[string]string) error {
	pinned, err := e.lookUp(vars["name"])
	if err != nil {
		return err
	}
	return httputils.WriteJSON(w, http.StatusOK, registry.DistributionInspect{
		Descriptor: ocispec.Descriptor{
			MediaType: "application/vnd.docker.distribution.manifest.v2+json",
			Digest:    pinned.Digest(),
			Size:      int64(len(pinned.String())),
		},
		Platforms: []ocispec.Platform{{OS: "linux", Architecture: runtime.GOARCH}},
	})
}

// lookUp returns the reference with the image's digest, which is that of its full name and tag.
func (e *engine) lookUp(name string) (reference.Canonical, error) {
	ref, err := reference.ParseAnyReference(name)
	if err != nil {
		return nil, errdefs.InvalidParameter(err)
	}
	named, ok := ref.(reference.Named)
	if !ok {
		return nil, errors.New("no manifest found for full image ID")
	}
	if err := e.Pullable(name); err != nil {
		return nil, errdefs.NotFound(err)
	}
	if pinned, ok := named.(reference.Canonical); ok {
		return pinned, nil
	}
	tagged := reference.TagNameOnly(named)
	return reference.WithDigest(tagged, digest.FromString(tagged.String()))
}

// pin adds the digest to the image of a container, or returns the warning that it cannot.
func (e *engine) pin(container *api.ContainerSpec) []string {
	if ref, err := reference.ParseAnyReference(container.Image); err == nil {
		if _, whole := ref.(reference.Named); !whole {
			return nil // an image ID is a digest
		}
	}
	pinned, err := e.lookUp(container.Image)
	if err != nil {
		log.L.WithError(err).Warnf("Image %s is not pinned to a digest", container.Image)
		return []string{fmt.Sprintf("image %s could not be accessed on a registry to record its digest", container.Image)}
	}
	container.Image = reference.FamiliarString(pinned)
	return nil
}
