package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// load is a steady stream of GET requests.
type load struct {
	url, host      string
	rate           float64 // requests a second; 0: as fast as the workers can
	count, workers int     // of requests, 0: until told to stop; and of those under way at once
	timeout        time.Duration
	newConnections bool
	insecure       bool
	untilFile      string
}

// runLoad prints the report as one line of JSON, also when a signal cuts it short. Code 1: a request failed.
func runLoad(args []string) int {
	l := load{}
	flags := newFlags("load", &l.timeout, 5*time.Second)
	flags.StringVar(&l.url, "url", "", "what to get")
	flags.StringVar(&l.host, "host", "", "the Host header, if not the URL's")
	flags.Float64Var(&l.rate, "rate", 0, "requests a second; 0: as fast as can be")
	flags.IntVar(&l.count, "count", 0, "requests; 0: until SIGTERM, SIGINT or --until-file")
	flags.IntVar(&l.workers, "workers", 50, "most requests under way at once")
	flags.BoolVar(&l.newConnections, "new-connections", false, "one connection, and so one look-up of the name, a request")
	flags.BoolVar(&l.insecure, "insecure", false, "take any certificate")
	flags.StringVar(&l.untilFile, "until-file", "", "end when this file is there")
	if _, ok := words(flags, args, "--url URL [flags]", 0); !ok {
		return usageError
	}
	if _, err := url.ParseRequestURI(l.url); err != nil || l.workers < 1 || l.rate < 0 {
		flags.Usage()
		return usageError
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	if l.untilFile != "" {
		go func() { waitForFile(ctx, l.untilFile); cancel() }()
	}
	r := l.run(ctx)
	fmt.Println(r.json())
	return min(r.Failed, 1)
}

func waitForFile(ctx context.Context, name string) {
	for ctx.Err() == nil {
		if _, err := os.Stat(name); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// run sends until all are sent or ctx ends; what is under way then is waited for.
func (l *load) run(ctx context.Context) *report {
	client := l.client()
	defer client.CloseIdleConnections()
	r := newReport()
	due := l.pace(ctx)
	var workers sync.WaitGroup
	for range l.workers {
		workers.Go(func() {
			for at := range due {
				if l.rate > 0 {
					r.late(time.Since(at))
				}
				begin := time.Now()
				host, err := l.get(client)
				r.add(host, time.Since(begin), err)
			}
		})
	}
	workers.Wait()
	r.end()
	return r
}

func (l *load) client() *http.Client {
	transport := &http.Transport{
		DisableKeepAlives:   l.newConnections,
		MaxIdleConns:        l.workers,
		MaxIdleConnsPerHost: l.workers,
		IdleConnTimeout:     30 * time.Second,
	}
	if l.insecure {
		transport.TLSClientConfig = &tls.Config{ServerName: l.host, InsecureSkipVerify: true}
	}
	return &http.Client{
		Transport:     transport,
		Timeout:       l.timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// pace tells when each request is due, without a rate at once. Time that was lost while all workers were busy is made up for.
func (l *load) pace(ctx context.Context) <-chan time.Time {
	due := make(chan time.Time)
	start := time.Now()
	go func() {
		defer close(due)
		for n := 0; l.count == 0 || n < l.count; n++ {
			at := time.Now()
			if l.rate > 0 {
				at = start.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
			}
			select {
			case <-time.After(time.Until(at)):
			case <-ctx.Done():
				return
			}
			select {
			case due <- at:
			case <-ctx.Done():
				return
			}
		}
	}()
	return due
}

// get returns who answered. A status of 400 and more is an error, and so is an answer that breaks off.
func (l *load) get(client *http.Client) (host string, err error) {
	req, err := http.NewRequest(http.MethodGet, l.url, nil)
	if err != nil {
		return "", err
	}
	req.Host = cmp.Or(l.host, req.Host)
	resp, err := client.Do(req)
	if err != nil {
		return "", plain(err)
	}
	defer func() { _ = resp.Body.Close() }()
	host = resp.Header.Get(hostHeader)
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return host, fmt.Errorf("body: %w", plain(err))
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return host, errors.New(resp.Status)
	}
	return host, nil
}

// plain leaves out of an error what differs each time, the client's own port above all: errors are counted by text.
func plain(err error) error {
	var (
		lookup *net.DNSError
		op     *net.OpError
		call   *url.Error
	)
	switch {
	case errors.As(err, &lookup) && lookup.IsTimeout:
		return fmt.Errorf("look up %s: timeout", lookup.Name)
	case errors.As(err, &lookup):
		return fmt.Errorf("look up %s: %s", lookup.Name, lookup.Err)
	case errors.As(err, &op) && op.Addr != nil:
		return fmt.Errorf("%s %s: %w", op.Op, op.Addr, op.Err)
	case errors.As(err, &call):
		return call.Err
	}
	return err
}
