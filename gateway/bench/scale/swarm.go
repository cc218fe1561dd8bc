package scale

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"skep/gateway/bench"
)

// Service is a Swarm service as the Docker Engine API shows it, no further read than is needed to scale it.
type Service struct {
	ID      string
	Version struct{ Index uint64 }
	Spec    map[string]json.RawMessage
}

// Name is the service's name in Swarm: of a Deployment, its namespace, "_", and its name.
func (s Service) Name() string { return strings.Trim(string(s.Spec["Name"]), `"`) }

// Replicas is how many tasks it wants.
func (s Service) Replicas() int {
	var mode struct{ Replicated struct{ Replicas int } }
	if err := json.Unmarshal(s.Spec["Mode"], &mode); err != nil {
		return 0
	}
	return mode.Replicated.Replicas
}

// Task is a Swarm task likewise.
type Task struct {
	ID        string
	ServiceID string
	Status    struct {
		State     string
		Timestamp time.Time
	}
}

// Services are all services, by name.
func (s *Simulator) Services(ctx context.Context) (map[string]Service, error) {
	answer, err := s.Do(ctx, bench.Request{Method: http.MethodGet, Path: "/services"})
	if err != nil {
		return nil, err
	}
	var list []Service
	if err := json.Unmarshal(answer.Body, &list); err != nil {
		return nil, err
	}
	services := make(map[string]Service, len(list))
	for _, service := range list {
		services[service.Name()] = service
	}
	return services, nil
}

// Wanted are the tasks that shall run, in whatever state they are.
func (s *Simulator) Wanted(ctx context.Context) ([]Task, error) {
	const wanted = `{"desired-state":["running"]}`
	answer, err := s.Do(ctx, bench.Request{Method: http.MethodGet, Path: "/tasks?filters=" + url.QueryEscape(wanted)})
	if err != nil {
		return nil, err
	}
	var tasks []Task
	return tasks, json.Unmarshal(answer.Body, &tasks)
}

// awaitRunning waits until exactly so many tasks are wanted, and all of them run.
func (s *Simulator) awaitRunning(ctx context.Context, want int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	for {
		tasks, err := s.Wanted(ctx)
		if err != nil {
			return err
		}
		running := 0
		for _, task := range tasks {
			if task.Status.State == "running" {
				running++
			}
		}
		if running == want && len(tasks) == want {
			return nil
		}
		if err := pause(ctx, time.Second); err != nil {
			return fmt.Errorf("%d of %d tasks run, not %d: %w", running, len(tasks), want, err)
		}
	}
}

// scaleBy changes the replicas of services side by side, as so many people with `docker service scale` would.
func (s *Simulator) scaleBy(ctx context.Context, services []Service, by int) error {
	clients := newEnginePool(s.Socket, min(10, len(services)))
	defer clients.close()
	return clients.each(ctx, len(services), func(ctx context.Context, client *bench.Client, i int) error {
		_, err := client.Do(ctx, services[i].scaled(services[i].Replicas()+by))
		return err
	})
}

func (s Service) scaled(replicas int) bench.Request {
	spec := make(map[string]json.RawMessage, len(s.Spec))
	for key, value := range s.Spec {
		spec[key] = value
	}
	spec["Mode"] = fmt.Appendf(nil, `{"Replicated":{"Replicas":%d}}`, replicas)
	return bench.Request{
		Method: http.MethodPost, Path: fmt.Sprintf("/services/%s/update?version=%d", s.ID, s.Version.Index), Body: encode(spec),
	}
}

// remove is `docker service rm`.
func (s *Simulator) remove(ctx context.Context, service Service) error {
	_, err := s.Do(ctx, bench.Request{Method: http.MethodDelete, Path: "/services/" + service.ID})
	return err
}

// pick are the services of the Deployments from number first on.
func (s *Simulator) pick(ctx context.Context, first, count int) ([]Service, error) {
	all, err := s.Services(ctx)
	if err != nil {
		return nil, err
	}
	picked := make([]Service, count)
	for i := range picked {
		name := namespaceName(first+i) + "_" + deploymentName(first+i)
		var found bool
		if picked[i], found = all[name]; !found {
			return nil, fmt.Errorf("there is no service %s among %d", name, len(all))
		}
	}
	return picked, nil
}
