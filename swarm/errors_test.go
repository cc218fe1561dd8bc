package swarm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/client"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/storage"

	"skep/translate"
)

// What Docker says, and what a Kubernetes client is told.
func TestStatusError(t *testing.T) {
	unreachable := client.ErrorConnectionFailed("unix:///none") //nolint:staticcheck // what the client itself returns
	for _, c := range []struct {
		err  error
		code int32
		says string
	}{
		{errors.New("Error response from daemon: rpc error: code = Unknown desc = update out of sequence"), http.StatusConflict, "changed"},
		{fmt.Errorf("rpc error: code = AlreadyExists desc = name conflicts with an existing object: %w", cerrdefs.ErrConflict), http.StatusConflict, "name conflicts"},
		{fmt.Errorf("network is in use: %w", cerrdefs.ErrAlreadyExists), http.StatusConflict, "in use"},
		{fmt.Errorf("service web not found: %w", cerrdefs.ErrNotFound), http.StatusNotFound, `"web" not found`},
		{fmt.Errorf("rpc error: code = InvalidArgument desc = replicas: must be positive: %w", cerrdefs.ErrInvalidArgument), http.StatusUnprocessableEntity, "must be positive"},
		{fmt.Errorf("rpc error: code = Unimplemented desc = renaming services is not supported: %w", cerrdefs.ErrNotImplemented), http.StatusUnprocessableEntity, "renaming"},
		{errors.New("rpc error: code = ResourceExhausted desc = grpc: received message larger than max"), http.StatusRequestEntityTooLarge, "1.5 MiB"},
		{errors.New("raft: raft message is too large and can't be sent"), http.StatusRequestEntityTooLarge, "700 kB"},
		{fmt.Errorf("config data must be larger than 0 and less than 1024000 bytes: %w", cerrdefs.ErrInvalidArgument), http.StatusRequestEntityTooLarge, "1023999 bytes"},
		{fmt.Errorf("secret data must be larger than 0 and less than 512000 bytes: %w", cerrdefs.ErrInvalidArgument), http.StatusRequestEntityTooLarge, "511999 bytes"},
		{errors.New("rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online"), http.StatusServiceUnavailable, "no leader"},
		{unreachable, http.StatusServiceUnavailable, "cannot be reached"},
		{fmt.Errorf("down for maintenance: %w", cerrdefs.ErrUnavailable), http.StatusServiceUnavailable, "cannot be reached"},
		{fmt.Errorf("inspect: %w", context.DeadlineExceeded), http.StatusGatewayTimeout, "in time"},
		{errors.New("Error response from daemon: something else"), http.StatusServiceUnavailable, "could not do it: something else"},
		{errNoTaskRemoval, http.StatusNotImplemented, "--control-socket"},
		{translate.Refusal{Field: field.Forbidden(field.NewPath("spec", "hostPID"), "Swarm has none")}, http.StatusUnprocessableEntity, "spec.hostPID"},
		{fmt.Errorf("wrapped: %w", apierrors.NewResourceExpired("as it was")), http.StatusGone, "as it was"},
	} {
		t.Run(strings.Fields(c.says)[0]+fmt.Sprint(c.code), func(t *testing.T) {
			b := newBench(t)
			err := b.store.statusError("/pods/ns/web", c.err)
			var status apierrors.APIStatus
			if !errors.As(err, &status) {
				t.Fatalf("%v is no status", err)
			}
			if got := status.Status(); got.Code != c.code || got.Status != metav1.StatusFailure {
				t.Errorf("%v is answered with %d, not %d", c.err, got.Code, c.code)
			}
			contains(t, status.Status().Message, c.says)
			for _, layer := range []string{"rpc error", "Error response from daemon"} {
				if strings.Contains(status.Status().Message, layer) {
					t.Errorf("%q shows the layers that it came through", status.Status().Message)
				}
			}
		})
	}
}

func TestStorageErrorsStay(t *testing.T) {
	b := newBench(t)
	err := storage.NewKeyExistsError("/pods/ns/web", 0)
	if got := b.store.statusError("/pods/ns/web", err); !storage.IsExist(got) {
		t.Errorf("%v became %v", err, got)
	}
}
