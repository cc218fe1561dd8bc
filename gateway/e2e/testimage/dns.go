package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// names is a DNS server that knows these names, in lower case and with a dot at the end, and says of every other at
// once that there is none.
type names map[string]netip.Addr

func (n names) String() string { return "" }

// Set takes NAME=IP.
func (n names) Set(s string) error {
	name, ip, _ := strings.Cut(s, "=")
	address, err := netip.ParseAddr(ip)
	if err != nil || name == "" || !address.Is4() {
		return errors.New("want NAME=IPv4 address")
	}
	n[strings.ToLower(strings.TrimSuffix(name, "."))+"."] = address
	return nil
}

// serveNames answers over UDP and TCP until it is killed.
func serveNames(args []string) int {
	known := names{}
	var timeout time.Duration
	flags := newFlags("dns", &timeout, 10*time.Second)
	listen := flags.String("listen", ":53", "ADDRESS:PORT, for UDP and TCP")
	flags.Var(known, "answer", "NAME=IP: a name that there is (may be repeated)")
	if _, ok := words(flags, args, "[flags]", 0); !ok {
		return usageError
	}
	packets, err := net.ListenPacket("udp", *listen)
	if err != nil {
		return fail(err)
	}
	streams, err := net.Listen("tcp", packets.LocalAddr().String())
	if err != nil {
		return fail(err)
	}
	fmt.Fprintln(os.Stderr, "dns:", packets.LocalAddr())
	failed := make(chan error)
	go func() { failed <- known.servePackets(packets) }()
	go func() { failed <- known.serveStreams(streams, timeout) }()
	return fail(<-failed)
}

func (n names) servePackets(conn net.PacketConn) error {
	for buffer := make([]byte, 65535); ; {
		size, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if reply, err := n.answer(buffer[:size]); err == nil {
			_, _ = conn.WriteTo(reply, from) // who asks will ask again
		}
	}
}

func (n names) serveStreams(listener net.Listener, timeout time.Duration) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer func() { _ = conn.Close() }()
			for n.answerStream(conn, timeout) == nil {
				continue
			}
		}()
	}
}

// answerStream answers one question, which has its length in front: RFC 1035, section 4.2.2.
func (n names) answerStream(conn net.Conn, timeout time.Duration) error {
	_ = conn.SetDeadline(time.Now().Add(timeout))
	var size uint16
	if err := binary.Read(conn, binary.BigEndian, &size); err != nil {
		return err
	}
	query := make([]byte, size)
	if _, err := io.ReadFull(conn, query); err != nil {
		return err
	}
	reply, err := n.answer(query)
	if err != nil {
		return err
	}
	_, err = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
	return err
}

const answerSeconds = 1 // how long an answer may be kept

// answer is the reply to a message; an error says that it is no question.
func (n names) answer(query []byte) ([]byte, error) {
	var p dnsmessage.Parser
	header, err := p.Start(query)
	if err != nil {
		return nil, err
	}
	question, err := p.Question()
	if err != nil || header.Response {
		return nil, errors.Join(errors.New("no question"), err)
	}
	reply := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: header.ID, OpCode: header.OpCode, Response: true, Authoritative: true,
			RecursionDesired: header.RecursionDesired, RecursionAvailable: true,
		},
		Questions: []dnsmessage.Question{question},
	}
	address, known := n[strings.ToLower(question.Name.String())]
	switch {
	case !known:
		reply.RCode = dnsmessage.RCodeNameError
	case question.Type == dnsmessage.TypeA && question.Class == dnsmessage.ClassINET:
		reply.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Class: question.Class, TTL: answerSeconds},
			Body:   &dnsmessage.AResource{A: address.As4()},
		}}
	}
	return reply.Pack()
}
