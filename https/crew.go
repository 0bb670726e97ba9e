// SPDX-License-Identifier: Apache-2.0

package https

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
)

// maxResting is how many goroutines may wait for a connection.
const maxResting = 64

// crew are the goroutines that serve connections, one each. Who has served one
// waits for another: a goroutine that has just begun grows its stack three times
// in its first handshake, which takes as long as a good part of that.
type crew struct {
	serve func(*front, *conn)
	work  sync.WaitGroup
	conns chan *conn
	rest  chan struct{} // has a place for each that may wait
}

func newCrew(serve func(*front, *conn)) *crew {
	return &crew{serve: serve, conns: make(chan *conn), rest: make(chan struct{}, maxResting)}
}

// take has c served. It may not be called after dismiss.
func (w *crew) take(c *conn) {
	select {
	case w.conns <- c:
	default:
		w.work.Go(func() { w.live(c) })
	}
}

func (w *crew) live(c *conn) {
	f := newFront()
	for hired := true; hired; {
		w.serve(f, c)
		select {
		case w.rest <- struct{}{}:
			c, hired = <-w.conns
			<-w.rest
		default:
			return
		}
	}
}

// dismiss lets everybody go home who has nothing to do.
func (w *crew) dismiss() { close(w.conns) }

// wait returns when all have gone.
func (w *crew) wait() { w.work.Wait() }

// attend serves c: all of it, or until it comes to what is net/http's.
func (s *Server) attend(f *front, c *conn) {
	handed := false
	defer func() {
		if v := recover(); v != nil {
			s.log.LogAttrs(context.Background(), slog.LevelError, "panic while serving a connection",
				slog.Any("err", v), slog.String("stack", string(debug.Stack())))
		}
		if !handed {
			c.Close()
			s.conns.leave(&c.wire)
		}
	}()
	c.context = withConn(context.Background(), c)
	if c.prepare() == nil && f.serve(c) {
		handed = s.desk.hand(c)
	}
}
