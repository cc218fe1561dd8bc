package main

import (
	"bufio"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// The opcodes of RFC 6455, section 5.2.
const (
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xA
)

const (
	finBit, maskBit = 0x80, 0x80
	largest         = 1 << 20 // bytes of a message; enough for tests
)

// acceptKey is the answer to a handshake's key: RFC 6455, section 4.2.2.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// websocket answers each text with the host name and that text, until the other side closes.
func (b *behaviour) websocket(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Sec-WebSocket-Key")
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || key == "" {
		http.Error(w, "no websocket handshake", http.StatusUpgradeRequired)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer func() { _ = conn.Close() }()
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"%s: %s\r\nSec-WebSocket-Accept: %s\r\n\r\n", hostHeader, hostname(), acceptKey(key))
	for {
		op, payload, err := readFrame(buffered.Reader)
		if err != nil {
			return
		}
		switch op {
		case opText:
			payload = []byte(hostname() + " " + string(payload))
		case opPing:
			op = opPong
		}
		if err := writeFrame(conn, op, payload, false); err != nil || op == opClose {
			return
		}
	}
}

// readFrame reads a message of one frame: what is in several is refused.
func readFrame(r *bufio.Reader) (op byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	if head[0]&finBit == 0 {
		return 0, nil, errors.New("websocket: a message in several frames")
	}
	size, err := readSize(r, head[1]&^maskBit)
	if err != nil {
		return 0, nil, err
	}
	var mask [4]byte // all zero changes nothing
	if head[1]&maskBit != 0 {
		if _, err := io.ReadFull(r, mask[:]); err != nil {
			return 0, nil, err
		}
	}
	payload = make([]byte, size)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, err
	}
	masked(payload, mask)
	return head[0] & 0xF, payload, nil
}

// readSize reads the payload's length, which short says itself below 126.
func readSize(r io.Reader, short byte) (uint64, error) {
	size := uint64(short)
	switch short {
	case 126:
		var s uint16
		if err := binary.Read(r, binary.BigEndian, &s); err != nil {
			return 0, err
		}
		size = uint64(s)
	case 127:
		if err := binary.Read(r, binary.BigEndian, &size); err != nil {
			return 0, err
		}
	}
	if size > largest {
		return 0, fmt.Errorf("websocket: %d bytes in a message", size)
	}
	return size, nil
}

// writeFrame writes a message in one frame. A client has to mask.
func writeFrame(w io.Writer, op byte, payload []byte, mask bool) error {
	frame := []byte{finBit | op}
	switch n := len(payload); {
	case n < 126:
		frame = append(frame, byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, 126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 127), uint64(n))
	}
	var key [4]byte
	if mask {
		frame[1] |= maskBit
		_, _ = rand.Read(key[:]) // never fails
		frame = append(frame, key[:]...)
	}
	start := len(frame)
	frame = append(frame, payload...)
	masked(frame[start:], key)
	_, err := w.Write(frame)
	return err
}

// masked changes payload there and back.
func masked(payload []byte, key [4]byte) {
	for i := range payload {
		payload[i] ^= key[i%4]
	}
}

// websocketTalk makes a client's handshake, sends a text and returns the answer.
func websocketTalk(conn io.ReadWriter, to *url.URL, host, text string) (string, error) {
	if host == "" {
		host = to.Host
	}
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	key := base64.StdEncoding.EncodeToString(nonce[:])
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", to.RequestURI(), host, key)
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return "", fmt.Errorf("websocket: %s", resp.Status)
	}
	if got := resp.Header.Get("Sec-WebSocket-Accept"); got != acceptKey(key) {
		return "", fmt.Errorf("websocket: Sec-WebSocket-Accept is %q", got)
	}
	if err := writeFrame(conn, opText, []byte(text), true); err != nil {
		return "", err
	}
	op, payload, err := readFrame(r)
	if err != nil {
		return "", err
	}
	if op != opText && op != opBinary {
		return "", fmt.Errorf("websocket: a frame of kind %d in answer", op)
	}
	return string(payload), writeFrame(conn, opClose, nil, true)
}
