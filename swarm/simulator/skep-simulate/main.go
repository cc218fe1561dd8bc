// Command skep-simulate serves the Docker Engine API of a Swarm whose containers are make-believe.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"skep/swarm/simulator"
	"skep/swarm/simulator/engine"
)

// flags are what can be asked for.
type flags struct {
	simulator.Options
	listen, rules string
	stacks        []string // NAME=FILE
	tied, verbose bool
	temporary     bool // nobody named a folder
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var f flags
	c := &cobra.Command{
		Use:           "skep-simulate",
		Short:         "Serve the Docker Engine API of a Swarm whose containers are simulated",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(c *cobra.Command, _ []string) error { return run(c.Context(), f, c.OutOrStdout()) },
	}
	set := c.Flags()
	set.IntVar(&f.Nodes, "nodes", 3, "how many nodes the Swarm has")
	set.IntVar(&f.Managers, "managers", 1, "how many of them are managers")
	set.StringVar(&f.listen, "listen", "", "address to serve on: unix:///path or tcp://host:port (default: docker.sock in --dir)")
	set.StringVar(&f.Dir, "dir", "", "folder of the certificates and the control socket (default: a temporary one)")
	set.Int64Var(&f.Seed, "seed", 0, "seed of all that is left to chance, so that a run can be repeated (default: drawn)")
	set.StringVar(&f.rules, "rules", "", "YAML file that says how nodes and containers behave")
	set.StringArrayVar(&f.stacks, "stack", nil, "stack to begin with, NAME=FILE of a Compose file; may be repeated")
	set.BoolVar(&f.tied, "until-eof", false, "end when standard input ends: with the program that started this one")
	set.BoolVar(&f.verbose, "verbose", false, "log what SwarmKit does")
	if err := c.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "skep-simulate: "+err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags, out io.Writer) error {
	logrus.SetLevel(logrus.WarnLevel)
	if f.verbose {
		logrus.SetLevel(logrus.DebugLevel)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if f.tied {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // its end is all that counts
			cancel()
		}()
	}
	if err := f.complete(); err != nil {
		return err
	}
	if f.temporary {
		defer func() { _ = os.RemoveAll(f.Dir) }() // below the system's folder for such
	}
	listener, err := listen(f.listen)
	if err != nil {
		return err
	}
	s, err := simulator.New(ctx, f.Options)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer s.Close()
	handler, err := engine.New(ctx, s)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // streams never end by themselves
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	for _, stack := range f.stacks {
		if err := deploy(ctx, f.listen, stack); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "A Swarm of %d simulated nodes answers at %s\nIts control socket is %s\n", f.Nodes, f.listen, filepath.Join(f.Dir, simulator.ControlSocket))
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// complete fills in what was not said and reads the rules.
func (f *flags) complete() error {
	var err error
	if f.rules != "" {
		data, err := os.ReadFile(f.rules)
		if err != nil {
			return err
		}
		if f.Rules, err = simulator.ParseRules(data); err != nil {
			return fmt.Errorf("%s: %w", f.rules, err)
		}
	}
	if f.Dir == "" {
		if f.Dir, err = os.MkdirTemp("", "skep-simulate-"); err != nil {
			return err
		}
		f.temporary = true
	}
	if f.Dir, err = filepath.Abs(f.Dir); err != nil {
		return err
	}
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return err
	}
	if f.listen == "" {
		f.listen = "unix://" + filepath.Join(f.Dir, "docker.sock")
	}
	return nil
}

// listen opens an address as Docker writes them. TCP is for this machine alone: there is no TLS.
func listen(address string) (net.Listener, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	switch u.Scheme {
	case "unix":
		if err := os.Remove(u.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		listener, err := net.Listen("unix", u.Path)
		if err != nil {
			return nil, err
		}
		return listener, os.Chmod(u.Path, 0o660)
	case "tcp":
		ip := net.ParseIP(u.Hostname())
		if ip == nil || !ip.IsLoopback() {
			return nil, fmt.Errorf("--listen %s: only an address of this machine, such as tcp://127.0.0.1:2375: there is no TLS", address)
		}
		return net.Listen("tcp", u.Host)
	default:
		return nil, fmt.Errorf("--listen %s: there is unix:///path and tcp://host:port", address)
	}
}
