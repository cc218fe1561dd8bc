package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/proxy"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	translator "k8s.io/apiserver/pkg/util/proxy"
	api "k8s.io/kubernetes/pkg/apis/core"
	kubeletclient "k8s.io/kubernetes/pkg/kubelet/client"
	"k8s.io/kubernetes/pkg/registry/core/pod"
	"k8s.io/streaming/pkg/httpstream/wsstream"

	"skep/swarm"
	"skep/translate"
)

// podStreams connects clients with the containers of Pods, as kube-apiserver does with kubelets: WebSockets are
// translated here, and the node's agent speaks SPDY.
type podStreams struct {
	pods   *genericregistry.Store
	mirror *swarm.Mirror
	agents *agents
}

// anyNode lets Kubernetes' own code name the request to a kubelet; which one is asked is decided after it.
type anyNode struct{}

// GetConnectionInfo implements kubeletclient.ConnectionInfoGetter.
func (anyNode) GetConnectionInfo(context.Context, types.NodeName) (*kubeletclient.ConnectionInfo, error) {
	return &kubeletclient.ConnectionInfo{Scheme: "https", Hostname: "node", Port: "10250"}, nil
}

// toAgent turns a request to a kubelet, /<verb>/<namespace>/<pod>[/<container>], into one to the agent of the Pod's
// node, which knows containers by their IDs.
func (s podStreams) toAgent(ctx context.Context, name string, location *url.URL, id func(*api.Pod, string) (string, error)) (http.RoundTripper, error) {
	object, err := s.pods.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	p := object.(*api.Pod)
	parts := strings.Split(strings.TrimPrefix(location.Path, "/"), "/")
	container := ""
	if len(parts) > 3 {
		container = parts[3]
	}
	containerID, err := id(p, container)
	if err != nil {
		return nil, err
	}
	base, transport, err := s.agents.on(s.mirror.TaskNode(p.Annotations[translate.AnnotationTask]))
	if err != nil {
		return nil, apierrors.NewServiceUnavailable(err.Error())
	}
	location.Scheme, location.Host = base.Scheme, base.Host
	location.Path = path.Join("/", parts[0], parts[1], parts[2], containerID)
	return transport, nil
}

// runningContainer is the Docker ID of a Pod's container that runs.
func runningContainer(p *api.Pod, name string) (string, error) {
	status := statusOf(p, name)
	switch {
	case status == nil || status.ContainerID == "":
		return "", apierrors.NewBadRequest(fmt.Sprintf("container %q in pod %q is waiting to start: %s", name, p.Name, waitingFor(status)))
	case status.State.Running == nil && status.State.Terminated != nil:
		return "", apierrors.NewBadRequest(fmt.Sprintf("cannot exec into a container in a completed pod; container %q has ended", name))
	}
	return strings.TrimPrefix(status.ContainerID, "docker://"), nil
}

func waitingFor(status *api.ContainerStatus) string {
	if status != nil && status.State.Waiting != nil {
		return status.State.Waiting.Reason
	}
	return "ContainerCreating"
}

// statusOf is the status of any container of a Pod.
func statusOf(p *api.Pod, name string) *api.ContainerStatus {
	for _, list := range [][]api.ContainerStatus{p.Status.ContainerStatuses, p.Status.InitContainerStatuses, p.Status.EphemeralContainerStatuses} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// taskContainer is the container that a Pod's task is: its network namespace is the Pod's.
func (s podStreams) taskContainer(p *api.Pod, _ string) (string, error) {
	id := s.mirror.TaskContainer(p.Annotations[translate.AnnotationTask])
	if id == "" {
		return "", apierrors.NewBadRequest(fmt.Sprintf("unable to forward port because pod is not running. Current status=%v", p.Status.Phase))
	}
	return id, nil
}

// stream is one of the subresources that upgrade to a stream.
type stream struct {
	podStreams
	options func() runtime.Object
	connect func(s podStreams, ctx context.Context, name string, options runtime.Object, responder rest.Responder) (http.Handler, error)
}

var _ rest.Connecter = stream{}

func (stream) New() runtime.Object { return &api.Pod{} }
func (stream) Destroy()            {}

// ConnectMethods implements rest.Connecter.
func (stream) ConnectMethods() []string { return []string{"GET", "POST"} }

// NewConnectOptions implements rest.Connecter.
func (s stream) NewConnectOptions() (runtime.Object, bool, string) { return s.options(), false, "" }

// Connect implements rest.Connecter.
func (s stream) Connect(ctx context.Context, name string, options runtime.Object, responder rest.Responder) (http.Handler, error) {
	return s.connect(s.podStreams, ctx, name, options, responder)
}

func (s podStreams) exec(ctx context.Context, name string, options runtime.Object, responder rest.Responder) (http.Handler, error) {
	o, ok := options.(*api.PodExecOptions)
	if !ok {
		return nil, fmt.Errorf("invalid options object: %#v", options)
	}
	location, _, err := pod.ExecLocation(ctx, s.pods, anyNode{}, name, o)
	if err != nil {
		return nil, err
	}
	return s.withStdio(ctx, name, location, responder, translator.Options{Stdin: o.Stdin, Stdout: o.Stdout, Stderr: o.Stderr, Tty: o.TTY})
}

func (s podStreams) attach(ctx context.Context, name string, options runtime.Object, responder rest.Responder) (http.Handler, error) {
	o, ok := options.(*api.PodAttachOptions)
	if !ok {
		return nil, fmt.Errorf("invalid options object: %#v", options)
	}
	location, _, err := pod.AttachLocation(ctx, s.pods, anyNode{}, name, o)
	if err != nil {
		return nil, err
	}
	return s.withStdio(ctx, name, location, responder, translator.Options{Stdin: o.Stdin, Stdout: o.Stdout, Stderr: o.Stderr, Tty: o.TTY})
}

func (s podStreams) portForward(ctx context.Context, name string, options runtime.Object, responder rest.Responder) (http.Handler, error) {
	o, ok := options.(*api.PodPortForwardOptions)
	if !ok {
		return nil, fmt.Errorf("invalid options object: %#v", options)
	}
	location, _, err := pod.PortForwardLocation(ctx, s.pods, anyNode{}, name, o)
	if err != nil {
		return nil, err
	}
	transport, err := s.toAgent(ctx, name, location, s.taskContainer)
	if err != nil {
		return nil, err
	}
	spdy := upgraded(location, transport, responder)
	return translator.NewTranslatingHandler(spdy, translator.NewTunnelingHandler(spdy), wsstream.IsWebSocketRequestWithTunnelingProtocol), nil
}

// withStdio passes SPDY through to the agent, and translates the WebSockets of today's clients.
func (s podStreams) withStdio(ctx context.Context, name string, location *url.URL, responder rest.Responder, o translator.Options) (http.Handler, error) {
	transport, err := s.toAgent(ctx, name, location, runningContainer)
	if err != nil {
		return nil, err
	}
	return translator.NewTranslatingHandler(upgraded(location, transport, responder),
		translator.NewStreamTranslatorHandler(location, transport, 0, o), wsstream.IsWebSocketRequestWithStreamCloseProtocol), nil
}

func upgraded(location *url.URL, transport http.RoundTripper, responder rest.Responder) http.Handler {
	return proxy.NewUpgradeAwareHandler(location, transport, false, true, proxy.NewErrorResponder(responder))
}
