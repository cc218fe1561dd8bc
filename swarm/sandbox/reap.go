package sandbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"skep/translate/manifest"
)

// Reap removes from the Engine what sandboxes left that are no more: each container of a Pod whose sandbox does not exist,
// and each that runs while its sandbox does not. What a sandbox that has ended by itself left for its logs stays for as long
// as the sandbox's container does. Containers of a sandbox that runs are never touched: one is taken to run unless the
// Engine says that it does not.
func Reap(ctx context.Context, c *client.Client) error {
	siblings, err := c.ContainerList(ctx, container.ListOptions{
		All: true, Filters: filters.NewArgs(filters.Arg("label", manifest.LabelSandbox)),
	})
	if err != nil {
		return fmt.Errorf("containers of sandboxes: %w", err)
	}
	fates := map[string]fate{}
	var failed []error
	for i := range siblings {
		sandbox := siblings[i].Labels[manifest.LabelSandbox]
		f, known := fates[sandbox]
		if !known {
			if f, err = fateOf(ctx, c, sandbox); err != nil {
				failed = append(failed, fmt.Errorf("sandbox %s: %w", sandbox, err))
			}
			fates[sandbox] = f
		}
		if f == gone || f == halted && !ended(siblings[i].State) {
			if err := reapOne(ctx, c, siblings[i].ID, f); err != nil {
				failed = append(failed, fmt.Errorf("container %s, left by sandbox %s: %w", siblings[i].ID, sandbox, err))
			}
		}
	}
	return errors.Join(failed...)
}

// reapOne removes a container, but for one that has ended meanwhile, before its sandbox did: the list is older than what is
// known of the sandbox, and that container's log is still wanted.
func reapOne(ctx context.Context, c *client.Client, id string, f fate) error {
	if f == halted {
		now, err := c.ContainerInspect(ctx, id)
		if errdefs.IsNotFound(err) || err == nil && now.State != nil && ended(now.State.Status) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return docker{c}.Remove(ctx, id)
}

func ended(state container.ContainerState) bool {
	return state == container.StateExited || state == container.StateDead
}

// fate is what became of a sandbox.
type fate int

const (
	lives fate = iota // also where that is not known
	halted
	gone
)

func fateOf(ctx context.Context, c *client.Client, sandbox string) (fate, error) {
	if sandbox == "" {
		return lives, errors.New("a container has an empty label " + manifest.LabelSandbox + ": remove it or the label")
	}
	s, err := c.ContainerInspect(ctx, sandbox)
	switch {
	case errdefs.IsNotFound(err):
		return gone, nil
	case err != nil:
		return lives, err
	case s.State == nil || s.State.Running || s.State.Paused || s.State.Restarting:
		return lives, nil
	default:
		return halted, nil
	}
}
