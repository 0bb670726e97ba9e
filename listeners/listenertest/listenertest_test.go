// SPDX-License-Identifier: Apache-2.0

package listenertest

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newTCP(t *testing.T) *TCP {
	t.Helper()
	l, err := NewTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Shutdown(context.Background()) })
	return l
}

// begin is Subject.Begin for a TCP.
func begin(l *TCP) func() (func() error, error) {
	return func() (func() error, error) {
		r, err := Begin(l.Addr())
		if err != nil {
			return nil, err
		}
		return func() error {
			_, err := r.Finish()
			return err
		}, nil
	}
}

func TestTCPPasses(t *testing.T) {
	Run(t, func(t *testing.T) Subject {
		l := newTCP(t)
		return Subject{Listener: l, Begin: begin(l)}
	})
}

func TestRunWithoutBegin(t *testing.T) {
	Run(t, func(t *testing.T) Subject { return Subject{Listener: newTCP(t)} })
}

// broken is a TCP that breaks one promise.
type broken struct {
	*TCP
	serve    func() error
	restart  func()
	shutdown func(context.Context) error
}

func (b *broken) Serve() error {
	if b.serve != nil {
		return b.serve()
	}
	return b.TCP.Serve()
}

func (b *broken) Restart() {
	if b.restart != nil {
		b.restart()
		return
	}
	b.TCP.Restart()
}

func (b *broken) Shutdown(ctx context.Context) error {
	if b.shutdown != nil {
		return b.shutdown(ctx)
	}
	return b.TCP.Shutdown(ctx)
}

func TestCasesFindBrokenPromises(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	errBroken := errors.New("broken")
	for _, tt := range []struct {
		name  string
		make  func(*TCP) *broken
		fails []string
	}{
		{
			"whole", func(l *TCP) *broken { return &broken{TCP: l} }, nil,
		}, {
			"serve returns an error on shutdown", func(l *TCP) *broken {
				return &broken{TCP: l, serve: func() error { return errors.Join(l.Serve(), errBroken) }}
			}, []string{
				"serve after shutdown returns nil", "serve returns nil on shutdown", "shutdown twice is harmless",
				"restart is harmless at any time", "restart lets what is under way finish", "shutdown drains",
				"shutdown cuts when its context ends",
			},
		}, {
			"restart cuts", func(l *TCP) *broken {
				return &broken{TCP: l, restart: func() { l.cut() }}
			}, []string{"restart lets what is under way finish"},
		}, {
			"restart closes the socket", func(l *TCP) *broken {
				return &broken{TCP: l, restart: func() { l.socket.Close() }}
			}, []string{"restart is harmless at any time", "restart lets what is under way finish"},
		}, {
			"shutdown cuts at once", func(l *TCP) *broken {
				return &broken{TCP: l, shutdown: func(context.Context) error {
					l.Shutdown(ended)
					return nil
				}}
			}, []string{"shutdown drains", "shutdown cuts when its context ends"},
		}, {
			"shutdown cuts without a word", func(l *TCP) *broken {
				return &broken{TCP: l, shutdown: func(ctx context.Context) error {
					l.Shutdown(ctx)
					return nil
				}}
			}, []string{"shutdown cuts when its context ends"},
		}, {
			"shutdown leaves a copy of the socket open", func(l *TCP) *broken {
				socket, err := l.socket.(*net.TCPListener).File()
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { socket.Close() })
				return &broken{TCP: l}
			}, []string{"shutdown without serve closes the socket", "serve returns nil on shutdown"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var fails []string
			for _, c := range cases {
				l := newTCP(t)
				if err := c.check(Subject{Listener: tt.make(l), Begin: begin(l)}); err != nil {
					t.Logf("%s: %v", c.name, err)
					fails = append(fails, c.name)
				}
			}
			if diff := cmp.Diff(tt.fails, fails); diff != "" {
				t.Error(diff)
			}
		})
	}
}
