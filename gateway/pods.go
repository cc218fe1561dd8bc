package gateway

import (
	"context"

	policyapi "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
	policyclient "k8s.io/client-go/kubernetes/typed/policy/v1"
	api "k8s.io/kubernetes/pkg/apis/core"
	podstore "k8s.io/kubernetes/pkg/registry/core/pod/storage"
)

func pods(b *builder) (map[string]rest.Storage, error) {
	s, err := podstore.NewStorage(b, nil, b.agents.podTransport(), noBudgets{}, b.authorizer)
	if err != nil {
		return nil, err
	}
	b.pods = s.Pod
	streams := podStreams{s.Pod.Store, b.mirror, b.agents}
	return map[string]rest.Storage{
		"": s.Pod, "/status": s.Status, "/eviction": s.Eviction,
		"/proxy":               s.Proxy,
		"/log":                 podLogs{streams, b.engine},
		"/exec":                stream{streams, func() runtime.Object { return &api.PodExecOptions{} }, podStreams.exec},
		"/attach":              stream{streams, func() runtime.Object { return &api.PodAttachOptions{} }, podStreams.attach},
		"/portforward":         stream{streams, func() runtime.Object { return &api.PodPortForwardOptions{} }, podStreams.portForward},
		"/ephemeralcontainers": s.EphemeralContainers,
	}, nil
}

// noBudgets answers the eviction's question for PodDisruptionBudgets: skep serves none.
type noBudgets struct {
	policyclient.PodDisruptionBudgetInterface
}

func (n noBudgets) PodDisruptionBudgets(string) policyclient.PodDisruptionBudgetInterface { return n }

func (noBudgets) List(context.Context, metav1.ListOptions) (*policyapi.PodDisruptionBudgetList, error) {
	return &policyapi.PodDisruptionBudgetList{}, nil
}
