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
	send := func(client *Client, request Request) {
		if _, err := client.Do(b.Context(), request); err != nil {
			b.Fatal(err)
		}
	}
	for ; w.seeded < n; w.seeded++ {
		name := seedName(w.seeded)
		send(w.peer.Client, createDeployment(listed, name, 0))
		send(w.peer.Client, Request{
			Method: http.MethodPatch, Path: deployments(listed) + "/" + name + "/status",
			ContentType: "application/merge-patch+json", Body: controllerStatus(name),
		})
		if w.gateway != nil {
			send(w.gateway.Client, createDeployment(listed, name, 0))
		}
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
