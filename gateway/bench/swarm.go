package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Service is a Swarm service as the Docker Engine API shows it, no further read than the benchmarks need.
type Service struct {
	ID      string
	Version struct{ Index uint64 }
	Spec    json.RawMessage
}

// Task is a Swarm task likewise.
type Task struct {
	ID        string
	CreatedAt time.Time
}

func filters(key, value string) string {
	return "?filters=" + url.QueryEscape(fmt.Sprintf(`{%q:[%q]}`, key, value))
}

// Service finds the one service that skep made for a Deployment.
func (e *Engine) Service(ctx context.Context, namespace, name string) (Service, error) {
	answer, err := e.Do(ctx, Request{Method: http.MethodGet, Path: "/services" + filters("label", "skep.name="+name)})
	if err != nil {
		return Service{}, err
	}
	var services []Service
	if err := json.Unmarshal(answer.Body, &services); err != nil {
		return Service{}, err
	}
	if len(services) != 1 {
		return Service{}, fmt.Errorf("want one service with the label skep.name=%s (of %s), got %d", name, namespace, len(services))
	}
	return services[0], nil
}

// Scale is "docker service scale": it returns when the request was sent and when the engine had answered.
func (e *Engine) Scale(ctx context.Context, id string, replicas int) (sent, answered time.Time, err error) {
	answer, err := e.Do(ctx, Request{Method: http.MethodGet, Path: "/services/" + id})
	if err != nil {
		return sent, answered, err
	}
	var service Service
	if err := json.Unmarshal(answer.Body, &service); err != nil {
		return sent, answered, err
	}
	spec := map[string]json.RawMessage{}
	if err := json.Unmarshal(service.Spec, &spec); err != nil {
		return sent, answered, err
	}
	spec["Mode"] = fmt.Appendf(nil, `{"Replicated":{"Replicas":%d}}`, replicas)
	update := Request{
		Method: http.MethodPost, Path: fmt.Sprintf("/services/%s/update?version=%d", id, service.Version.Index),
		Body: encode(spec),
	}
	sent = time.Now()
	answer, err = e.Do(ctx, update)
	return sent, sent.Add(answer.Took), err
}

// TaskOf is the task of a service whose Pod has that name: a Pod's name ends in the first five characters of its
// task's id.
func (e *Engine) TaskOf(ctx context.Context, service, pod string) (Task, error) {
	answer, err := e.Do(ctx, Request{Method: http.MethodGet, Path: "/tasks" + filters("service", service)})
	if err != nil {
		return Task{}, err
	}
	var tasks []Task
	if err := json.Unmarshal(answer.Body, &tasks); err != nil {
		return Task{}, err
	}
	for _, task := range tasks {
		if strings.HasPrefix(task.ID, pod[strings.LastIndexByte(pod, '-')+1:]) {
			return task, nil
		}
	}
	return Task{}, fmt.Errorf("service %s has no task of Pod %s among %d", service, pod, len(tasks))
}

// Twin is a service's spec under another name: what one sends to the Docker API to have what skep made.
type Twin struct{ spec, name, uid string }

// Twin reads the service that skep made for a Deployment, given as skep answered its creation.
func (e *Engine) Twin(ctx context.Context, answer []byte) (Twin, error) {
	var made struct {
		Metadata struct{ Namespace, Name, UID string }
	}
	if err := json.Unmarshal(answer, &made); err != nil {
		return Twin{}, err
	}
	service, err := e.Service(ctx, made.Metadata.Namespace, made.Metadata.Name)
	return Twin{string(service.Spec), made.Metadata.Name, made.Metadata.UID}, err
}

// Create is the request that makes the twin under a name, which should be as long as the first one. The twin's uid
// differs in its last characters, so that it is nobody else's.
func (t Twin) Create(name string) Request {
	spec := strings.ReplaceAll(t.spec, t.name, name)
	if t.uid != "" {
		uid := t.uid[:max(0, len(t.uid)-len(name))] + name
		spec = strings.ReplaceAll(spec, t.uid, uid[len(uid)-len(t.uid):])
	}
	return Request{Method: http.MethodPost, Path: "/services/create", Body: []byte(spec)}
}
