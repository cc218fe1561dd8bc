package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericrest "k8s.io/apiserver/pkg/registry/generic/rest"
	"k8s.io/apiserver/pkg/registry/rest"
	api "k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/apis/core/validation"
	podregistry "k8s.io/kubernetes/pkg/registry/core/pod"

	"skep/swarm"
	"skep/translate"
)

// podLogs is a Pod's log: of a plain task read through the Swarm manager from whichever node it is on, of the containers
// beside a sandbox from the agent of their node.
type podLogs struct {
	podStreams
	engine *swarm.Engine
}

var (
	_ rest.GetterWithOptions = podLogs{}
	_ rest.StorageMetadata   = podLogs{}
	_ rest.ResourceStreamer  = logStream{}
	_ rest.Storage           = podLogs{}
)

// New implements rest.Storage.
func (podLogs) New() runtime.Object { return &api.Pod{} }

// Destroy implements rest.Storage.
func (podLogs) Destroy() {}

// ProducesMIMETypes implements rest.StorageMetadata.
func (podLogs) ProducesMIMETypes(string) []string { return []string{"text/plain"} }

// ProducesObject implements rest.StorageMetadata.
func (podLogs) ProducesObject(string) any { return "" }

// NewGetOptions implements rest.GetterWithOptions.
func (podLogs) NewGetOptions() (runtime.Object, bool, string) { return &api.PodLogOptions{}, false, "" }

// Get implements rest.GetterWithOptions.
func (l podLogs) Get(ctx context.Context, name string, options runtime.Object) (runtime.Object, error) {
	o, ok := options.(*api.PodLogOptions)
	if !ok {
		return nil, fmt.Errorf("invalid options object: %#v", options)
	}
	if o.Stream == nil {
		all := api.LogStreamAll
		o.Stream = &all
	}
	if errs := validation.ValidatePodLogOptions(o, true); len(errs) > 0 {
		return nil, apierrors.NewInvalid(api.Kind("PodLogOptions"), name, errs)
	}
	object, err := l.pods.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	pod := object.(*api.Pod)
	location, _, err := podregistry.LogLocation(ctx, l.pods, anyNode{}, name, o)
	if err != nil {
		return nil, err
	}
	if location != nil && !l.isTask(pod, path.Base(location.Path)) {
		return l.ofContainer(ctx, name, location, o)
	}
	request := swarm.LogRequest{
		Follow: o.Follow, Timestamps: o.Timestamps, Tail: o.TailLines, LimitBytes: o.LimitBytes, Previous: o.Previous,
		Stdout: *o.Stream != api.LogStreamStderr, Stderr: *o.Stream != api.LogStreamStdout,
	}
	if o.SinceTime != nil {
		request.Since = o.SinceTime.Time
	}
	if o.SinceSeconds != nil {
		request.SinceSeconds = *o.SinceSeconds
	}
	body, err := l.engine.Logs(ctx, l.mirror, pod.Annotations, request)
	switch {
	case errors.Is(err, swarm.ErrNoPrevious):
		return nil, apierrors.NewBadRequest(fmt.Sprintf("previous terminated container %q in pod %q not found", pod.Spec.Containers[0].Name, name))
	case errors.Is(err, swarm.ErrNotStarted):
		reason := "ContainerCreating"
		if s := pod.Status.ContainerStatuses; len(s) > 0 && s[0].State.Waiting != nil {
			reason = s[0].State.Waiting.Reason
		}
		return nil, apierrors.NewBadRequest(fmt.Sprintf("container %q in pod %q is waiting to start: %s", pod.Spec.Containers[0].Name, name, reason))
	case err != nil: // a manager does not reach the node, say; its agent may
		out, agentErr := l.ofContainer(ctx, name, location, o)
		if agentErr != nil {
			return nil, apierrors.NewServiceUnavailable("the Swarm does not give the log: " + err.Error())
		}
		return out, nil
	}
	return logStream{body}, nil
}

// isTask says whether a Pod's container is its Swarm task.
func (l podLogs) isTask(pod *api.Pod, container string) bool {
	return !l.mirror.IsSandbox(pod.Annotations[translate.AnnotationTask]) && len(pod.Spec.Containers) > 0 && pod.Spec.Containers[0].Name == container
}

// ofContainer reads the log of a container from the agent of its node.
func (l podLogs) ofContainer(ctx context.Context, name string, location *url.URL, o *api.PodLogOptions) (runtime.Object, error) {
	transport, err := l.toAgent(ctx, name, location, func(p *api.Pod, container string) (string, error) {
		status := statusOf(p, container)
		if o.Previous {
			if status == nil || status.LastTerminationState.Terminated == nil {
				return "", apierrors.NewBadRequest(fmt.Sprintf("previous terminated container %q in pod %q not found", container, name))
			}
			return strings.TrimPrefix(status.LastTerminationState.Terminated.ContainerID, "docker://"), nil
		}
		switch {
		case status != nil && status.ContainerID != "" && status.State.Waiting == nil:
			return strings.TrimPrefix(status.ContainerID, "docker://"), nil
		case status != nil && status.LastTerminationState.Terminated != nil: // it waits to be started again
			return strings.TrimPrefix(status.LastTerminationState.Terminated.ContainerID, "docker://"), nil
		}
		return "", apierrors.NewBadRequest(fmt.Sprintf("container %q in pod %q is waiting to start: %s", container, name, waitingFor(status)))
	})
	if err != nil {
		return nil, err
	}
	return &genericrest.LocationStreamer{
		Location: location, Transport: transport, ContentType: "text/plain", Flush: o.Follow,
		ResponseChecker: genericrest.NewGenericHttpResponseChecker(api.Resource("pods/log"), name),
		RedirectChecker: genericrest.PreventRedirects,
	}, nil
}

// logStream is a log on its way to a client.
type logStream struct{ body io.ReadCloser }

// GetObjectKind implements runtime.Object.
func (logStream) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject implements runtime.Object.
func (s logStream) DeepCopyObject() runtime.Object { return s }

// InputStream implements rest.ResourceStreamer.
func (s logStream) InputStream(context.Context, string, string) (io.ReadCloser, bool, string, error) {
	return s.body, true, "text/plain", nil
}
