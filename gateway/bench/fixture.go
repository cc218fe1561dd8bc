package bench

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// The namespaces of the benchmarks. settled is the peer's alone: there its Deployments have a controller's status.
const (
	listed  = "bench"
	settled = "bench-settled"
	created = "bench-create"
	watched = "bench-watch"
)

type object = map[string]any

// deployment is a small but usual Deployment: labels, one container with a command, env, a port and resources. Its
// Pods want a node that is not there.
func deployment(namespace, name string, replicas int) []byte {
	labels := object{"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "bench"}
	container := object{
		"name": "web", "image": "nginx:1.27-alpine", "command": []string{"nginx", "-g", "daemon off;"},
		"ports": []object{{"name": "http", "containerPort": 8080}},
		"env":   []object{{"name": "LOG_LEVEL", "value": "info"}, {"name": "GREETING", "value": "hello"}},
		"resources": object{
			"requests": object{"cpu": "50m", "memory": "32Mi"}, "limits": object{"cpu": "500m", "memory": "128Mi"},
		},
	}
	return encode(object{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": object{
			"namespace": namespace, "name": name, "labels": labels,
			"annotations": object{"example.org/owner": "the people who keep bees"},
		},
		"spec": object{
			"replicas": replicas, "selector": object{"matchLabels": labels},
			"template": object{
				"metadata": object{"labels": labels},
				"spec":     object{"nodeSelector": object{"nowhere": "yes"}, "containers": []object{container}},
			},
		},
	})
}

// controllerStatus is what a Deployment controller writes for a Deployment without replicas. skep answers like a cluster
// that has controllers, the peer has none. Written to the peer it also leaves an entry in managedFields, which skep's
// objects do not have: the peer's are smaller than skep's without it and larger with it, so lists are compared with both.
func controllerStatus(name string) []byte {
	const at = "2026-01-01T00:00:00Z"
	condition := func(kind, reason, message string) object {
		return object{
			"type": kind, "status": "True", "reason": reason, "message": message,
			"lastUpdateTime": at, "lastTransitionTime": at,
		}
	}
	return encode(object{
		"metadata": object{"annotations": object{"deployment.kubernetes.io/revision": "1"}},
		"status": object{"observedGeneration": 1, "conditions": []object{
			condition("Available", "MinimumReplicasAvailable", "Deployment has minimum availability."),
			condition("Progressing", "NewReplicaSetAvailable",
				fmt.Sprintf("ReplicaSet %q has successfully progressed.", name+"-6d4b75cb6d")),
		}},
	})
}

func encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // maps of strings and numbers
	}
	return text
}

// deployments is the path of a namespace's Deployments.
func deployments(namespace string) string {
	return "/apis/apps/v1/namespaces/" + namespace + "/deployments"
}

func createDeployment(namespace, name string, replicas int) Request {
	return Request{
		Method: http.MethodPost, Path: deployments(namespace), Body: deployment(namespace, name, replicas),
	}
}
