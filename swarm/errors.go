package swarm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/storage"

	"skep/translate"
)

// errExpired is kube-apiserver's 410 for a list or a watch: the client lists again.
func errExpired(what string) *apierrors.StatusError {
	return apierrors.NewResourceExpired("The resourceVersion for the provided " + what + " is too old.")
}

// statusError turns what Docker or a lens says into what a Kubernetes client understands. This is the one
// place where that is done.
func (s *Store) statusError(key string, err error) error {
	k, _ := s.parse(key) // it was parsed before
	kind := schema.GroupKind{Group: s.resource.Group, Kind: s.view.lens.Kind()}
	var refusal translate.Refusal
	var status apierrors.APIStatus
	switch {
	case errors.As(err, &refusal):
		return apierrors.NewInvalid(kind, k.Name, field.ErrorList{refusal.Field})
	case errors.As(err, &status), isStorageError(err):
		return err
	case errors.Is(err, errNoTaskRemoval):
		return notImplemented(err.Error())
	}
	return dockerError(kind, s.resource, k, err)
}

func isStorageError(err error) bool {
	var s *storage.StorageError
	return errors.As(err, &s)
}

// tooLarge are Docker's ways to say that something does not fit, with Swarm's limit.
var tooLarge = []struct {
	says  *regexp.Regexp
	limit string
}{
	{
		regexp.MustCompile(`raft message is too large|ResourceExhausted|message larger than max`),
		"an object of about 700 kB, since one change of the Swarm has to fit into 1.5 MiB with the state before it",
	},
	{regexp.MustCompile(`config data must be|config.*size`), "1023999 bytes in one Swarm config"},
	{regexp.MustCompile(`secret data must be|secret.*size`), "511999 bytes in one Swarm secret"},
}

func dockerError(kind schema.GroupKind, resource schema.GroupResource, k translate.Key, err error) error {
	message := plainMessage(err)
	for _, t := range tooLarge {
		if t.says.MatchString(message) {
			return apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("%s %q: the limit is %s", kind.Kind, k.Name, t.limit))
		}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return apierrors.NewTimeoutError("the Swarm did not answer in time", 1)
	case noLeader(message):
		return apierrors.NewServiceUnavailable("the Swarm has no leader: " + message)
	case client.IsErrConnectionFailed(err), errdefs.IsUnavailable(err):
		return apierrors.NewServiceUnavailable("the Docker Engine cannot be reached: " + message)
	case errdefs.IsNotFound(err):
		return apierrors.NewNotFound(resource, k.Name)
	case isOutOfSequence(err):
		return apierrors.NewConflict(resource, k.Name, errStale)
	case errdefs.IsConflict(err), errdefs.IsAlreadyExists(err):
		return apierrors.NewConflict(resource, k.Name, errors.New(message))
	case errdefs.IsInvalidArgument(err), errdefs.IsFailedPrecondition(err), errdefs.IsNotImplemented(err):
		return apierrors.NewInvalid(kind, k.Name, field.ErrorList{field.InternalError(nil, errors.New("Swarm does not take it: "+message))})
	}
	return apierrors.NewServiceUnavailable("the Swarm could not do it: " + message)
}

func noLeader(message string) bool {
	return strings.Contains(message, "does not have a leader") || strings.Contains(message, "no elected primary cluster manager")
}

var rpcPrefix = regexp.MustCompile(`^(Error response from daemon: )?(rpc error: code = \w+ desc = )?`)

// plainMessage is an error's text without the layers that it came through.
func plainMessage(err error) string { return rpcPrefix.ReplaceAllString(err.Error(), "") }

func notImplemented(message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusNotImplemented, Reason: "NotImplemented", Message: message,
	}}
}
