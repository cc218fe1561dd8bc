package gateway

import (
	"context"
	"net/http"

	policyapi "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
	policyclient "k8s.io/client-go/kubernetes/typed/policy/v1"
	api "k8s.io/kubernetes/pkg/apis/core"
	podstore "k8s.io/kubernetes/pkg/registry/core/pod/storage"
)

func pods(b *builder) (map[string]rest.Storage, error) {
	s, err := podstore.NewStorage(b, nil, nil, noBudgets{}, b.authorizer)
	if err != nil {
		return nil, err
	}
	return map[string]rest.Storage{
		"": s.Pod, "/status": s.Status, "/eviction": s.Eviction,
		"/log":                 podLogs{s.Pod.Store, b.engine, b.mirror},
		"/exec":                awaitsAgent{"exec", func() runtime.Object { return &api.PodExecOptions{} }},
		"/attach":              awaitsAgent{"attach", func() runtime.Object { return &api.PodAttachOptions{} }},
		"/portforward":         awaitsAgent{"port-forward", func() runtime.Object { return &api.PodPortForwardOptions{} }},
		"/ephemeralcontainers": awaitsSandbox{s.EphemeralContainers},
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

// awaitsAgent answers what only a node's own agent can do: it is not there yet, and says so.
type awaitsAgent struct {
	what    string
	options func() runtime.Object
}

var _ rest.Connecter = awaitsAgent{}

func (awaitsAgent) New() runtime.Object { return &api.Pod{} }
func (awaitsAgent) Destroy()            {}

// ConnectMethods implements rest.Connecter.
func (awaitsAgent) ConnectMethods() []string { return []string{"GET", "POST"} }

// NewConnectOptions implements rest.Connecter.
func (a awaitsAgent) NewConnectOptions() (runtime.Object, bool, string) {
	return a.options(), false, ""
}

// Connect implements rest.Connecter.
func (a awaitsAgent) Connect(context.Context, string, runtime.Object, rest.Responder) (http.Handler, error) {
	return nil, notImplemented("skep cannot " + a.what + " yet: it needs an agent on the Pod's node. " +
		"On that node, \"docker exec\" and \"docker attach\" reach the container; its ID is in the Pod's status.containerStatuses")
}

// awaitsSandbox refuses ephemeral containers, which a single task cannot hold.
type awaitsSandbox struct {
	*podstore.EphemeralContainersREST
}

// Update implements rest.Updater.
func (awaitsSandbox) Update(context.Context, string, rest.UpdatedObjectInfo, rest.ValidateObjectFunc, rest.ValidateObjectUpdateFunc, bool, *metav1.UpdateOptions) (runtime.Object, bool, error) {
	return nil, false, notImplemented("spec.ephemeralContainers: a Swarm task is one container; more in one Pod need skep's sandbox, which is not there yet")
}

func notImplemented(message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusNotImplemented, Reason: "NotImplemented", Message: message,
	}}
}
