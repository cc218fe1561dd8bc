package scale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"skep/gateway/bench"
)

// rig is a simulated Swarm with skep over it.
type rig struct {
	dir      string
	swarm    *Simulator
	gateway  *bench.Gateway
	services int // made by grow
}

// startRig starts both, with the namespaces that the services go into.
func startRig(ctx context.Context, dir string) (*rig, error) {
	r := &rig{dir: dir}
	if err := r.start(ctx); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

func (r *rig) start(ctx context.Context) error {
	var err error
	if r.swarm, err = StartSimulator(ctx, filepath.Join(r.dir, "sim"), nodes); err != nil {
		return err
	}
	if r.gateway, err = bench.StartGateway(ctx, r.options("skep")); err != nil {
		return err
	}
	for i := range namespaces {
		if _, err := r.gateway.Do(ctx, createNamespace(namespaceName(i))); err != nil {
			return err
		}
	}
	return nil
}

func (r *rig) stop() error {
	if r == nil {
		return nil
	}
	var gone error
	if r.gateway != nil {
		gone = r.gateway.Process.Err()
		r.gateway.Stop()
	}
	if r.swarm != nil {
		gone = errors.Join(gone, r.swarm.Process.Err())
		r.swarm.Stop()
	}
	return gone
}

// options are those of a gateway whose files are in a folder of that name.
func (r *rig) options(name string) bench.GatewayOptions {
	return bench.GatewayOptions{
		Dir: filepath.Join(r.dir, name), Socket: r.swarm.Socket, ControlSocket: r.swarm.ControlSocket,
	}
}

// grow brings the Swarm to so many services, made as Deployments through skep, and waits until all runs and skep
// shows it.
func (r *rig) grow(ctx context.Context, services int) error {
	clients, err := newPool(r.gateway.Client, 8)
	if err != nil {
		return err
	}
	defer clients.close()
	first := r.services
	err = clients.each(ctx, services-first, func(ctx context.Context, client *bench.Client, i int) error {
		_, err := client.Do(ctx, createDeployment(namespaceName(first+i), deploymentName(first+i), replicas))
		return err
	})
	if err != nil {
		return err
	}
	r.services = services
	if err := r.swarm.awaitRunning(ctx, services*replicas); err != nil {
		return err
	}
	return r.awaitAvailable(ctx)
}

// awaitAvailable waits until skep says of all Deployments that their Pods are there.
func (r *rig) awaitAvailable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		available, all, err := r.available(ctx)
		if err != nil {
			return fmt.Errorf("%d of %d Deployments are available: %w", available, all, err)
		}
		if available == all && all >= r.services {
			return nil
		}
		if err := pause(ctx, 500*time.Millisecond); err != nil {
			return fmt.Errorf("%d of %d Deployments are available: %w", available, all, err)
		}
	}
}

func (r *rig) available(ctx context.Context) (available, all int, err error) {
	answer, err := r.gateway.Do(ctx, bench.Request{Method: http.MethodGet, Path: allDeployments})
	if err != nil {
		return 0, 0, err
	}
	var list struct {
		Items []struct {
			Spec   struct{ Replicas int }
			Status struct{ AvailableReplicas int }
		}
	}
	if err := json.Unmarshal(answer.Body, &list); err != nil {
		return 0, 0, err
	}
	for _, d := range list.Items {
		if d.Status.AvailableReplicas == d.Spec.Replicas {
			available++
		}
	}
	return available, len(list.Items), nil
}

func pause(ctx context.Context, long time.Duration) error {
	select {
	case <-time.After(long):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
