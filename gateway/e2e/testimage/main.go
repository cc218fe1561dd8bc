// Command testimage is the one program inside every image of the tests. No registry is needed: it is
// imported, beside busybox, under the names that the tests' manifests use.
//
// Called as "nginx" (a symbolic link in the image) it is nginx's stand-in: the welcome page on port 80.
// Called by its own name it does what its flags say, any number of them at once:
//
//	skep-test --port 80 --port 3000 --tick 1s --ignore-term --exit-after 5s --exit-code 3
//
// It ends on SIGTERM, SIGINT and SIGQUIT with code 0, unless told to ignore them.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const welcome = `<!DOCTYPE html>
<html><head><title>Welcome to nginx!</title></head>
<body><h1>Welcome to nginx!</h1><p>A stand-in of skep's tests, at your service.</p></body></html>
`

// behaviour is what the program was asked to do.
type behaviour struct {
	ports      portList
	page       string        // what / answers; empty: host name and environment
	tick       time.Duration // a numbered line to stdout this often; 0: never
	lines      int           // stop ticking after so many lines; 0: go on
	stderr     bool          // every second line goes to stderr
	ignoreTerm bool
	exitAfter  time.Duration // 0: never
	exitCode   int
}

type portList []int

func (p *portList) String() string { return fmt.Sprint(*p) }

func (p *portList) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil {
		return err
	}
	*p = append(*p, n)
	return nil
}

func main() {
	b := behaviour{}
	if filepath.Base(os.Args[0]) == "nginx" {
		b.ports, b.page = portList{80}, welcome
		fmt.Println("nginx stand-in: start")
	} else {
		b.parse()
	}
	os.Exit(b.run())
}

func (b *behaviour) parse() {
	flag.Var(&b.ports, "port", "answer HTTP on this port (may be repeated)")
	flag.DurationVar(&b.tick, "tick", 0, "print a numbered line this often")
	flag.IntVar(&b.lines, "lines", 0, "print only so many lines")
	flag.BoolVar(&b.stderr, "stderr", false, "print every second line to stderr")
	flag.BoolVar(&b.ignoreTerm, "ignore-term", false, "do not end on SIGTERM")
	flag.DurationVar(&b.exitAfter, "exit-after", 0, "end by itself after this time")
	flag.IntVar(&b.exitCode, "exit-code", 0, "exit code when it ends by itself")
	flag.Parse()
}

// run does it all until a signal or the time says stop, and returns the exit code.
func (b *behaviour) run() int {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	failed := make(chan error, len(b.ports))
	for _, port := range b.ports {
		go func() { failed <- b.serve(port) }()
	}
	if b.tick > 0 || b.lines > 0 {
		go b.print()
	}
	var over <-chan time.Time
	if b.exitAfter > 0 {
		over = time.After(b.exitAfter)
	}
	for {
		select {
		case s := <-stop:
			fmt.Println("signal:", s)
			if !b.ignoreTerm {
				return 0
			}
		case err := <-failed:
			fmt.Fprintln(os.Stderr, err)
			return 1
		case <-over:
			return b.exitCode
		}
	}
}

func (b *behaviour) serve(port int) error {
	srv := &http.Server{
		Addr:              fmt.Sprintf(":%d", port),
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if b.page != "" {
				fmt.Fprint(w, b.page)
				return
			}
			host, _ := os.Hostname() // an empty name says enough
			fmt.Fprintf(w, "hostname=%s\nport=%d\n%s\n", host, port, strings.Join(os.Environ(), "\n"))
		}),
	}
	return srv.ListenAndServe()
}

func (b *behaviour) print() {
	for n := 1; b.lines == 0 || n <= b.lines; n++ {
		out := os.Stdout
		if b.stderr && n%2 == 0 {
			out = os.Stderr
		}
		fmt.Fprintf(out, "line %d\n", n)
		time.Sleep(b.tick)
	}
}
