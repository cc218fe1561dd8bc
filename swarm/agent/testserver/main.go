// Command testserver is what the tests of package agent forward ports to. It listens on its loopback only: on port 7007 it
// sends back what it gets, on 7008 the checksum of all that it got, on 7009 its argument.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"net"
	"os"
)

func main() {
	log.SetFlags(0)
	for port, serve := range map[int]func(*net.TCPConn){
		7007: func(c *net.TCPConn) { _, _ = io.Copy(c, c) },
		7008: func(c *net.TCPConn) {
			sum := sha256.New()
			_, _ = io.Copy(sum, c)
			fmt.Fprintf(c, "%x", sum.Sum(nil))
		},
		7009: func(c *net.TCPConn) { fmt.Fprint(c, os.Args[1]) },
	} {
		listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			log.Fatal(err)
		}
		go accept(listener, serve)
	}
	log.Print("ready")
	select {}
}

func accept(listener *net.TCPListener, serve func(*net.TCPConn)) {
	for {
		c, err := listener.AcceptTCP()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			serve(c)
			_ = c.Close()
			log.Print("closed")
		}()
	}
}
