package sandbox

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"skep/swarm/sandbox/spec"
	"skep/translate/manifest"
)

// ControlSocket is where a sandbox is asked: a file among its own, which no container of its Pod sees.
const ControlSocket = manifest.RunDir + "/control.sock"

// The questions, each a line; "take" has an Update behind it. The answer is "ok", or a sentence.
const (
	askReady = "ready"
	askTake  = "take"
	answerOK = "ok"
)

// controlTimeout bounds a question with its answer.
const controlTimeout = 30 * time.Second

// Serve answers at the socket until the sandbox is over.
func (s *Sandbox) Serve(socket string) error {
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		return fmt.Errorf("directory of the control socket: %w", err)
	}
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("old control socket: %w", err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	go func() {
		<-s.closed
		l.Close() //nolint:errcheck // nobody is left to be told
	}()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.answer(conn)
		}
	}()
	return nil
}

func (s *Sandbox) answer(conn net.Conn) {
	defer conn.Close() //nolint:errcheck // the answer is out, or nobody listens
	_ = conn.SetDeadline(time.Now().Add(controlTimeout))
	in := bufio.NewReader(conn)
	question, err := in.ReadString('\n')
	if err != nil {
		return
	}
	said := answerOK
	switch strings.TrimSpace(question) {
	case askReady:
		if !s.hasBeenReady() {
			said = "the pod has not been ready yet"
		}
	case askTake:
		var u manifest.Update
		if err := json.NewDecoder(in).Decode(&u); err != nil {
			said = fmt.Sprintf("the update cannot be read: %v", err)
		} else if err := s.Take(u); err != nil {
			said = err.Error()
		}
	default:
		said = "unknown question"
	}
	fmt.Fprintln(conn, strings.ReplaceAll(said, "\n", " "))
}

// hasBeenReady says whether all containers have been ready at the same time once. Readiness gates are not asked: they open
// by what sees the Pod from outside, and Swarm would not let it be seen before.
func (s *Sandbox) hasBeenReady() bool {
	answer := make(chan bool, 1)
	s.post(func() { answer <- s.wasReady })
	select {
	case is := <-answer:
		return is
	case <-s.closed:
		return false
	}
}

// Take takes what changed of the Pod: its live volumes follow, and ephemeral containers that are new are started. The error
// is of the volumes; it does not keep the containers from being started.
func (s *Sandbox) Take(u manifest.Update) error {
	s.post(func() {
		for i := range u.EphemeralContainers {
			if c := &u.EphemeralContainers[i]; s.named(c.Name) == nil {
				s.units = append(s.units, ephemeral(c))
			}
		}
	})
	sources := spec.Sources{ConfigMaps: u.ConfigMaps, Secrets: u.Secrets, Tokens: u.Tokens}
	err := addNative(&sources)
	if err == nil {
		err = s.Maker.Update(u.Labels, u.Annotations, sources)
	}
	if err != nil {
		s.tell(nil, corev1.EventTypeWarning, "FailedMount", err.Error())
		err = fmt.Errorf("volumes: %w", err)
	}
	s.post(s.mount) // something that was missing may be there now
	return err
}

// Ask asks the sandbox at the socket. The error is its answer if that is not "ok".
func Ask(socket, question string, body io.Reader) error {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return fmt.Errorf("the sandbox does not answer: %w", err)
	}
	defer conn.Close() //nolint:errcheck // the answer is in
	_ = conn.SetDeadline(time.Now().Add(controlTimeout))
	if _, err := fmt.Fprintln(conn, question); err != nil {
		return fmt.Errorf("the sandbox does not listen: %w", err)
	}
	if body != nil {
		if _, err := io.Copy(conn, body); err != nil {
			return fmt.Errorf("the sandbox does not listen: %w", err)
		}
	}
	if err := conn.CloseWrite(); err != nil {
		return fmt.Errorf("the sandbox does not listen: %w", err)
	}
	said, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the sandbox gave no answer: %w", err)
	}
	if said = strings.TrimSpace(said); said != answerOK {
		return errors.New(said)
	}
	return nil
}
