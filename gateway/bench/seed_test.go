package bench

import (
	"fmt"
	"net/http"
	"testing"
)

func seedName(i int) string { return fmt.Sprintf("web-%04d", i) }

// seed brings the Deployments of the namespace that is listed to n, at the peer and at skep.
func (w *world) seed(b *testing.B, n int) {
	b.Helper()
	for ; w.seeded < n; w.seeded++ {
		w.send(b, w.peer.Client, createDeployment(listed, seedName(w.seeded), 0))
		if w.gateway != nil {
			w.send(b, w.gateway.Client, createDeployment(listed, seedName(w.seeded), 0))
		}
	}
}

// settle does the same at the peer alone, in a namespace where each Deployment gets a controller's status.
func (w *world) settle(b *testing.B, n int) {
	b.Helper()
	for ; w.settled < n; w.settled++ {
		name := seedName(w.settled)
		w.send(b, w.peer.Client, createDeployment(settled, name, 0))
		w.send(b, w.peer.Client, Request{
			Method: http.MethodPatch, Path: deployments(settled) + "/" + name + "/status",
			ContentType: "application/merge-patch+json", Body: controllerStatus(name),
		})
	}
}

func (w *world) send(b *testing.B, client *Client, request Request) {
	b.Helper()
	if _, err := client.Do(b.Context(), request); err != nil {
		b.Fatal(err)
	}
}

// twin creates a Deployment through skep and reads what it made of it.
func (w *world) twin(b *testing.B, request Request) Twin {
	b.Helper()
	answer, err := w.gateway.Do(b.Context(), request)
	if err != nil {
		b.Fatal(err)
	}
	twin, err := w.engine.Twin(b.Context(), answer.Body)
	if err != nil {
		b.Fatal(err)
	}
	return twin
}
