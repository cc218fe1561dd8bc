package swarm

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"

	"skep/translate"
)

// Follow keeps the mirror at the state of the Swarm until the context ends: it reads all, then follows the
// changes, and begins again whenever that breaks off.
func (m *Mirror) Follow(ctx context.Context, e *Engine) {
	follow := e.followEvents
	if e.control != nil {
		follow = e.followControl
	}
	go m.keepTime(ctx, e)
	wait := 100 * time.Millisecond
	for ctx.Err() == nil {
		began := time.Now()
		err := follow(ctx, m)
		if ctx.Err() != nil {
			return
		}
		m.setFailure(fmt.Errorf("the Swarm cannot be reached: %w", err))
		klog.ErrorS(err, "The Swarm's changes are not heard; reading all of it again", "in", wait)
		if time.Since(began) > 10*time.Second {
			wait = 100 * time.Millisecond
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		wait = min(2*wait, 5*time.Second)
	}
}

// readAll lists everything that the mirror holds.
func (e *Engine) readAll(ctx context.Context) ([]change, error) {
	mark, err := e.mark(ctx)
	if err != nil {
		return nil, err
	}
	defer e.unmark(ctx, mark)
	var services, tasks, nodes, configs, secrets, networks []change
	group, reading := errgroup.WithContext(ctx)
	group.Go(func() (err error) { networks, err = e.readNetworks(reading); return })
	group.Go(func() error {
		list, err := e.ServiceList(reading, swarm.ServiceListOptions{})
		for i := range list {
			services = append(services, change{kind: translate.GroupService, id: list[i].ID, object: &list[i]})
		}
		return err
	})
	group.Go(func() (err error) { tasks, err = e.readTasks(reading); return })
	group.Go(func() error {
		list, err := e.NodeList(reading, swarm.NodeListOptions{})
		for i := range list {
			nodes = append(nodes, change{kind: translate.GroupNode, id: list[i].ID, object: &list[i]})
		}
		return err
	})
	group.Go(func() error {
		list, err := e.ConfigList(reading, swarm.ConfigListOptions{})
		for i := range list {
			configs = append(configs, change{kind: translate.GroupConfig, id: list[i].ID, object: slimConfig(&list[i])})
		}
		return err
	})
	group.Go(func() error {
		list, err := e.SecretList(reading, swarm.SecretListOptions{})
		for i := range list {
			secrets = append(secrets, change{kind: translate.GroupSecret, id: list[i].ID, object: &list[i]})
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	all := append(networks, nodes...)
	all = append(all, configs...)
	all = append(all, secrets...)
	all = append(all, services...)
	return append(all, tasks...), nil
}

func (e *Engine) readTasks(ctx context.Context) ([]change, error) {
	list, err := e.TaskList(ctx, swarm.TaskListOptions{})
	if err != nil {
		return nil, err
	}
	tasks := make([]change, 0, len(list))
	for i := range list {
		tasks = append(tasks, change{kind: kindTask, id: list[i].ID, object: slimTask(&list[i])})
	}
	return tasks, nil
}

func (e *Engine) readNetworks(ctx context.Context) ([]change, error) {
	list, err := e.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, err
	}
	var networks []change
	for _, n := range list {
		if n.Scope == "swarm" || n.Name == "host" {
			networks = append(networks, networkChange(n))
		}
	}
	return networks, nil
}

// networkChange is a network as the mirror keeps it.
func networkChange(n network.Inspect) change {
	return change{kind: kindNetwork, id: n.ID, object: Network{
		ID: n.ID, Name: n.Name, Labels: n.Labels, Created: n.Created, Ingress: n.Ingress,
	}}
}

// slimTask is a copy without what nothing reads: each attachment repeats the whole network. A copy, since the
// list that it is of would stay in memory as long as one of its tasks. Docker leaves a task's runtime out
// where a service's says "container"; with it their specs compare equal.
func slimTask(from *swarm.Task) *swarm.Task {
	t := *from
	if t.Spec.Runtime == "" && t.Spec.ContainerSpec != nil {
		t.Spec.Runtime = swarm.RuntimeContainer
	}
	t.NetworksAttachments = make([]swarm.NetworkAttachment, 0, len(from.NetworksAttachments))
	for _, a := range from.NetworksAttachments {
		slim := swarm.NetworkAttachment{Addresses: a.Addresses}
		slim.Network.ID, slim.Network.Spec.Ingress = a.Network.ID, a.Network.Spec.Ingress
		t.NetworksAttachments = append(t.NetworksAttachments, slim)
	}
	return &t
}

// slimConfig drops the data of what skep itself made: documents are in the labels, materials in containers.
func slimConfig(c *swarm.Config) *swarm.Config {
	if c.Spec.Labels[translate.LabelMaterial] != "" {
		c.Spec.Data = nil
	}
	return c
}
