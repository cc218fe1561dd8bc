package scale

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"

	"skep/gateway/bench"
)

// The size of the Swarm. A service has a Deployment's ten Pods.
const (
	nodes      = 100
	replicas   = 10
	namespaces = 10
)

// size is how many services there are.
func size() int {
	if n, err := strconv.Atoi(os.Getenv("SCALE_SERVICES")); err == nil {
		return n
	}
	return 1000
}

type object = map[string]any

func namespaceName(i int) string { return fmt.Sprintf("scale-%d", i%namespaces) }

func deploymentName(i int) string { return fmt.Sprintf("web-%04d", i) }

// deployment is the i-th Deployment: a web server as one would find it, small enough for three times 10,000 of its Pods
// to fit the nodes.
func deployment(namespace, name string, replicas int) []byte {
	selector := object{"app.kubernetes.io/name": "web", "app.kubernetes.io/instance": name}
	labels := object{
		"app.kubernetes.io/name": "web", "app.kubernetes.io/instance": name, "app.kubernetes.io/version": "1.27",
		"app.kubernetes.io/component": "frontend", "app.kubernetes.io/part-of": namespace,
	}
	container := object{
		"name": "web", "image": "nginx:alpine",
		"ports": []object{{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9113}},
		"env": []object{
			{"name": "LOG_LEVEL", "value": "info"},
			{"name": "UPSTREAM", "value": "http://backend." + namespace + ":8080"},
			{"name": "WORKERS", "value": "4"},
		},
		"resources": object{
			"requests": object{"cpu": "10m", "memory": "16Mi"}, "limits": object{"cpu": "500m", "memory": "128Mi"},
		},
	}
	return encode(object{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": object{
			"namespace": namespace, "name": name, "labels": labels,
			"annotations": object{"example.org/owner": "the people who keep bees"},
		},
		"spec": object{
			"replicas": replicas, "selector": object{"matchLabels": selector},
			"template": object{
				"metadata": object{"labels": labels, "annotations": object{"prometheus.io/scrape": "true"}},
				"spec":     object{"containers": []object{container}, "terminationGracePeriodSeconds": 10},
			},
		},
	})
}

func encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // maps of strings and numbers
	}
	return text
}

// Paths of collections; the one of a namespace is below that of all.
const (
	allPods        = "/api/v1/pods"
	allDeployments = "/apis/apps/v1/deployments"
)

func podsOf(namespace string) string { return "/api/v1/namespaces/" + namespace + "/pods" }

func deploymentsOf(namespace string) string {
	return "/apis/apps/v1/namespaces/" + namespace + "/deployments"
}

func createNamespace(name string) bench.Request {
	body := encode(object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": name}})
	return bench.Request{Method: http.MethodPost, Path: "/api/v1/namespaces", Body: body}
}

func createDeployment(namespace, name string, replicas int) bench.Request {
	return bench.Request{
		Method: http.MethodPost, Path: deploymentsOf(namespace), Body: deployment(namespace, name, replicas),
	}
}
