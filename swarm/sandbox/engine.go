package sandbox

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	corev1 "k8s.io/api/core/v1"

	"skep/swarm/sandbox/spec"
)

// errNotFound is an image or a container that the Engine does not have.
var errNotFound = errors.New("not found")

// Engine is what the sandbox asks of the node's Docker Engine. What is not there is errNotFound.
type Engine interface {
	// Image is an image on the node.
	Image(ctx context.Context, ref string) (Image, error)
	// Pull fetches an image; auth is the header X-Registry-Auth, "" for none.
	Pull(ctx context.Context, ref, auth string) error
	// Create makes a container and says its ID.
	Create(ctx context.Context, name string, config *container.Config, host *container.HostConfig) (string, error)
	// Start runs a container that was created.
	Start(ctx context.Context, id string) error
	// State is how a container fares.
	State(ctx context.Context, id string) (State, error)
	// Stop sends the container its stop signal, after the grace period KILL, and returns when it has ended.
	Stop(ctx context.Context, id string, grace time.Duration) error
	// Remove takes away a container, running or not, with its anonymous volumes.
	Remove(ctx context.Context, id string) error
	// Siblings are the IDs of all containers with the label manifest.LabelSandbox of this sandbox.
	Siblings(ctx context.Context, sandbox string) ([]string, error)
	// Exec runs a command in a container: its exit code, and what it wrote, at most execOutput bytes.
	Exec(ctx context.Context, id string, command []string) (int, []byte, error)
	// Tail is the end of a container's log.
	Tail(ctx context.Context, id string, lines int) ([]byte, error)
	// Deaths calls died for each of the sandbox's containers that ends, and returns when it can no more. It calls ready once
	// it watches: what ended before that is not told.
	Deaths(ctx context.Context, sandbox string, ready func(), died func(id string)) error
}

// execOutput is how many bytes of a command's output are kept, as a kubelet does.
const execOutput = 10 << 10

// Image is what the sandbox needs to know of an image.
type Image struct {
	// ID as a container's status tells it: a digest of the repository if there is one.
	ID     string
	Size   int64
	Config spec.ImageConfig
}

// State is how a container fares.
type State struct {
	Running    bool
	ExitCode   int
	OOMKilled  bool
	Error      string
	StartedAt  time.Time
	FinishedAt time.Time
}

// Maker says what the Pod's containers are to Docker, and keeps its volumes: spec.Pod.
type Maker interface {
	Setup() error
	Update(labels, annotations map[string]string, s spec.Sources) error
	Container(c *corev1.Container, image spec.ImageConfig, attempt int) (*container.Config, *container.HostConfig, error)
	TerminationMessage(c *corev1.Container, attempt int) (string, error)
	RegistryAuth(image string) string
}

var _ Maker = (*spec.Pod)(nil)

// words is what is told of the Engine's error: without that it is the Engine's, which is no matter of the Pod's.
func words(err error) string {
	return strings.ReplaceAll(err.Error(), "Error response from daemon: ", "")
}

func isMissing(err error) bool { return errors.Is(err, errNotFound) }
