package agent

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"skep/translate/manifest"
)

// updateTime is how long a sandbox may take over an update.
const updateTime = time.Minute

// serveUpdate hands a manifest.Update to the sandbox that the container is. It is not looked into: what is cut short is no
// JSON, and the sandbox refuses it.
func (a *Agent) serveUpdate(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	c, err := a.running(r.Context(), id)
	if err != nil {
		fail(w, err)
		return
	}
	if role := c.Config.Labels[manifest.LabelRole]; role != manifest.RoleSandbox {
		fail(w, failure(http.StatusConflict, "container %s is no sandbox, so that nothing in it can be updated", short(id)))
		return
	}
	// Once begun, it is finished, whether or not the gateway waits for it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), updateTime)
	defer cancel()
	var said bytes.Buffer
	code, err := a.exec(ctx, id, []string{manifest.Command, "take"}, stdio{
		in: http.MaxBytesReader(w, r.Body, maxUpdate), out: &said, err: &said,
	})
	switch {
	case err != nil:
		fail(w, err)
	case code != 0:
		fail(w, failure(http.StatusInternalServerError, "the sandbox did not take the update (exit code %d): %s", code, bytes.TrimSpace(said.Bytes())))
	}
}
