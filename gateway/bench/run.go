package bench

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// Run runs a package's benchmarks and ends the process. Whatever happens, stop is called before: what a run started must
// not outlive it. publish is called when they have run.
func Run(m *testing.M, stop func(), publish func() error) {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-interrupted
		stop()
		os.Exit(130)
	}()
	code := m.Run()
	stop()
	if err := publish(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
