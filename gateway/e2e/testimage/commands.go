package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// commands are the clients, and the DNS server of the rig: each takes what follows its name, and returns the exit code.
var commands = map[string]func([]string) int{
	"probe":   probe,
	"resolve": resolve,
	"tcp":     func(args []string) int { return say("tcp", args) },
	"udp":     func(args []string) int { return say("udp", args) },
	"ws":      sayWebsocket,
	"load":    runLoad,
	"dns":     serveNames,
}

// words parses a command's flags and takes that many words after them; -1: one or more.
func words(flags *flag.FlagSet, args []string, usage string, want int) ([]string, bool) {
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "usage: skep-test %s %s\n", flags.Name(), usage)
		flags.PrintDefaults()
	}
	if flags.Parse(args) != nil {
		return nil, false
	}
	if n := flags.NArg(); n != want && (want >= 0 || n == 0) {
		flags.Usage()
		return nil, false
	}
	return flags.Args(), true
}

const usageError = 2

// fail prints what went wrong and returns the exit code for it.
func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func newFlags(name string, timeout *time.Duration, usual time.Duration) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.DurationVar(timeout, "timeout", usual, "how long it may take")
	return flags
}

// probe is a health check: it succeeds when the URL answers with a status below 400.
func probe(args []string) int {
	var timeout time.Duration
	target, ok := words(newFlags("probe", &timeout, time.Second), args, "[flags] URL", 1)
	if !ok {
		return usageError
	}
	client := http.Client{Timeout: timeout}
	resp, err := client.Get(target[0])
	if err != nil {
		return fail(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusBadRequest {
		return fail(fmt.Errorf("%s: %s", target[0], resp.Status))
	}
	return 0
}

// resolve prints a line for each name: the name and its addresses in order, as the container's resolv.conf and hosts
// file have it.
func resolve(args []string) int {
	var timeout time.Duration
	names, ok := words(newFlags("resolve", &timeout, 5*time.Second), args, "[flags] NAME...", -1)
	if !ok {
		return usageError
	}
	code := 0
	for _, name := range names {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		addresses, err := (&net.Resolver{PreferGo: true}).LookupHost(ctx, name)
		cancel()
		if err != nil {
			code = fail(err)
			continue
		}
		slices.Sort(addresses)
		fmt.Println(name, strings.Join(addresses, " "))
	}
	return code
}

// say sends a line over network and prints the answer.
func say(network string, args []string) int {
	var timeout time.Duration
	target, ok := words(newFlags(network, &timeout, 5*time.Second), args, "[flags] HOST:PORT TEXT", 2)
	if !ok {
		return usageError
	}
	conn, err := net.DialTimeout(network, target[0], timeout)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(timeout))
	if _, err := fmt.Fprintln(conn, target[1]); err != nil {
		return fail(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	fmt.Print(line) // as far as it came
	if err != nil {
		return fail(err)
	}
	return 0
}

// sayWebsocket sends one message and prints the answer.
func sayWebsocket(args []string) int {
	var timeout time.Duration
	flags := newFlags("ws", &timeout, 5*time.Second)
	host := flags.String("host", "", "the Host header, if not the URL's")
	target, ok := words(flags, args, "[flags] ws://HOST[:PORT]/PATH TEXT", 2)
	if !ok {
		return usageError
	}
	to, err := url.Parse(target[0])
	if err != nil {
		return fail(err)
	}
	conn, err := dialURL(to, *host, timeout)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(timeout))
	text, err := websocketTalk(conn, to, *host, target[1])
	if err != nil {
		return fail(err)
	}
	fmt.Println(text)
	return 0
}

// dialURL connects to where a URL points; certificates are taken as they come.
func dialURL(to *url.URL, host string, timeout time.Duration) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: timeout}
	port, secure := to.Port(), to.Scheme == "wss" || to.Scheme == "https"
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[secure]
	}
	address := net.JoinHostPort(to.Hostname(), port)
	if !secure {
		return dialer.Dial("tcp", address)
	}
	if host == "" {
		host = to.Hostname()
	}
	return tls.DialWithDialer(dialer, "tcp", address, &tls.Config{ServerName: host, InsecureSkipVerify: true})
}
