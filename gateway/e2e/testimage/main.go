// Command testimage is the one program inside every image of the tests. No registry is needed: it is
// imported, beside busybox, under the names that the tests' manifests use.
//
// Called as "nginx" (a symbolic link in the image) it is nginx's stand-in: the welcome page on port 80.
// Called by its own name it does what its flags say, any number of them at once:
//
//	skep-test --port 80 --port 3000 --tcp 7000 --udp 7000 --tick 1s --ignore-term --exit-after 5s --exit-code 3
//
// It ends on SIGTERM, SIGINT and SIGQUIT with code 0, unless told to ignore them: at once, or with --linger in the
// way of a server that gives its clients time to hear of it. What it answers over HTTP is in http.go.
//
// Called with one of these words first, it is a client (commands.go, load.go); each lists its flags with --help:
//
//	skep-test probe URL | resolve NAME... | tcp ADDRESS TEXT | udp ADDRESS TEXT | ws URL TEXT | load --url URL
//
// Called with "dns" it is the name server of the rig's nodes (dns.go).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

const welcome = `<!DOCTYPE html>
<html><head><title>Welcome to nginx!</title></head>
<body><h1>Welcome to nginx!</h1><p>A stand-in of skep's tests, at your service.</p></body></html>
`

// finish is how long requests have to be answered once nothing new is accepted.
const finish = 30 * time.Second

// behaviour is what the program was asked to do.
type behaviour struct {
	ports, tcp, udp portList
	page            string        // what every path answers; empty: the routes of http.go
	tick            time.Duration // a numbered line to stdout this often; 0: never
	lines           int           // stop ticking after so many lines; 0: go on
	stderr          bool          // every second line goes to stderr
	ignoreTerm      bool
	exitAfter       time.Duration // 0: never
	exitCode        int
	linger          time.Duration // 0: end at once, whatever is under way
	readyFile       string        // ready while this file exists; empty: always
	readyAfter      time.Duration

	started time.Time
	ending  atomic.Bool
}

// server is one port that is served. After shutdown, serve returns nil.
type server interface {
	serve() error
	shutdown(ctx context.Context) error
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
	if len(os.Args) > 1 {
		if command, known := commands[os.Args[1]]; known {
			os.Exit(command(os.Args[2:]))
		}
	}
	b := behaviour{started: time.Now()}
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
	flag.Var(&b.tcp, "tcp", "answer each line on this TCP port with the host name and that line (may be repeated)")
	flag.Var(&b.udp, "udp", "the same for each datagram on this UDP port (may be repeated)")
	flag.DurationVar(&b.tick, "tick", 0, "print a numbered line this often")
	flag.IntVar(&b.lines, "lines", 0, "print only so many lines")
	flag.BoolVar(&b.stderr, "stderr", false, "print every second line to stderr")
	flag.BoolVar(&b.ignoreTerm, "ignore-term", false, "do not end on SIGTERM")
	flag.DurationVar(&b.exitAfter, "exit-after", 0, "end by itself after this time")
	flag.IntVar(&b.exitCode, "exit-code", 0, "exit code when it ends by itself")
	flag.DurationVar(&b.linger, "linger", 0, "after a signal serve on for this time, then accept nothing, finish requests and end")
	flag.StringVar(&b.readyFile, "ready-file", "", "/readyz fails while this file is not there")
	flag.DurationVar(&b.readyAfter, "ready-after", 0, "/readyz fails for so long after the start")
	flag.Parse()
}

// run does it all until a signal or the time says stop, and returns the exit code.
func (b *behaviour) run() int {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	servers := b.servers()
	failed := make(chan error, len(servers))
	for _, s := range servers {
		go func() {
			if err := s.serve(); err != nil {
				failed <- err
			}
		}()
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
				b.end(servers, stop)
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

func (b *behaviour) servers() []server {
	var all []server
	for _, port := range b.ports {
		all = append(all, b.http(port))
	}
	for _, port := range b.tcp {
		all = append(all, &tcpEcho{addr: fmt.Sprintf(":%d", port)})
	}
	for _, port := range b.udp {
		all = append(all, &udpEcho{addr: fmt.Sprintf(":%d", port)})
	}
	return all
}

// end lets clients go elsewhere before it shuts the servers down, if told to linger. A second signal makes it short.
func (b *behaviour) end(servers []server, stop <-chan os.Signal) {
	if b.linger == 0 {
		return
	}
	b.ending.Store(true)
	select {
	case <-time.After(b.linger):
	case <-stop:
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), finish)
	defer cancel()
	for _, s := range servers {
		if err := s.shutdown(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "shut down:", err)
		}
	}
	fmt.Println("served to the end")
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
