// SPDX-License-Identifier: Apache-2.0

package listenertest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// TCP is a small Listener for tests. A client sends "begin", is told "begun",
// sends "end" when it likes, and is told the number of the generation in which
// it began; the first is 1. In between, the request is under way.
type TCP struct {
	socket net.Listener
	work   sync.WaitGroup // one for each connection

	mu     sync.Mutex
	gen    uint64
	idle   map[net.Conn]bool // every connection, true between two requests
	closed bool
}

// NewTCP binds addr.
func NewTCP(addr string) (*TCP, error) {
	socket, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &TCP{socket: socket, gen: 1, idle: make(map[net.Conn]bool)}, nil
}

// Addr implements listeners.Listener.
func (l *TCP) Addr() net.Addr { return l.socket.Addr() }

// Serve implements listeners.Listener.
func (l *TCP) Serve() error {
	for {
		c, err := l.socket.Accept()
		if err != nil {
			if l.isClosed() {
				return nil
			}
			return err
		}
		l.admit(c)
	}
}

// Restart implements listeners.Listener.
func (l *TCP) Restart() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gen++
	l.closeIdle()
}

// Shutdown implements listeners.Listener.
func (l *TCP) Shutdown(ctx context.Context) error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		l.socket.Close()
	}
	l.closeIdle()
	l.mu.Unlock()

	cut := make(chan int, 1)
	stop := context.AfterFunc(ctx, func() { cut <- l.cut() })
	l.work.Wait()
	if stop() || <-cut == 0 {
		return nil
	}
	return fmt.Errorf("cutting what was under way: %w", ctx.Err())
}

func (l *TCP) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

func (l *TCP) admit(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		c.Close()
		return
	}
	l.idle[c] = false // a request may be on its way
	l.work.Go(func() { l.handle(c) })
}

// handle answers the requests of one connection.
func (l *TCP) handle(c net.Conn) {
	defer l.forget(c)
	lines := bufio.NewScanner(c)
	for lines.Scan() && lines.Text() == "begin" {
		gen := l.begin(c)
		fmt.Fprintln(c, "begun")
		if !lines.Scan() {
			return
		}
		fmt.Fprintln(c, gen)
		if !l.end(c, gen) {
			return
		}
	}
}

func (l *TCP) begin(c net.Conn) (gen uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idle[c] = false
	return l.gen
}

// end tells whether c may be kept for another request.
func (l *TCP) end(c net.Conn, gen uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idle[c] = true
	return !l.closed && gen == l.gen
}

func (l *TCP) forget(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.idle, c)
	c.Close()
}

// closeIdle needs l.mu.
func (l *TCP) closeIdle() {
	for c, idle := range l.idle {
		if idle {
			c.Close()
		}
	}
}

// cut closes what is left, and tells how many connections that were.
func (l *TCP) cut() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.idle {
		c.Close()
	}
	return len(l.idle)
}

// Request is a request to a TCP that is under way.
type Request struct {
	conn  net.Conn
	lines *bufio.Scanner
}

// Begin starts a request to the TCP at addr.
func Begin(addr net.Addr) (*Request, error) {
	c, err := net.DialTimeout(addr.Network(), addr.String(), patience)
	if err != nil {
		return nil, err
	}
	r := &Request{c, bufio.NewScanner(c)}
	if _, err := r.ask("begin"); err != nil {
		c.Close()
		return nil, err
	}
	return r, nil
}

// Finish lets the request end, and returns the generation that has answered it.
func (r *Request) Finish() (gen uint64, err error) {
	defer r.conn.Close()
	answer, err := r.ask("end")
	if err != nil {
		return 0, err
	}
	if _, err := fmt.Sscan(answer, &gen); err != nil {
		return 0, fmt.Errorf("reading the answer %q: %w", answer, err)
	}
	return gen, nil
}

func (r *Request) ask(line string) (string, error) {
	if err := r.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(r.conn, line); err != nil {
		return "", err
	}
	if !r.lines.Scan() {
		return "", errors.Join(errors.New("the connection was closed"), r.lines.Err())
	}
	return r.lines.Text(), nil
}
