// SPDX-License-Identifier: Apache-2.0

package status

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// Overview is what the page shows of the server itself.
type Overview struct {
	Version      string        `json:"version"`
	Started      time.Time     `json:"started"`
	Generation   uint64        `json:"generation"`
	Loaded       time.Time     `json:"loaded"`
	Fault        string        `json:"fault,omitempty"` // why the last change was not taken
	Listeners    []Listener    `json:"listeners"`
	Certificates []Certificate `json:"certificates"`
	Entropy      string        `json:"entropy,omitempty"`
	FIPS         bool          `json:"fips"`
}

// Listener is one listener and where it listens; Addr is empty when it is off.
type Listener struct {
	Name string `json:"name"`
	Addr string `json:"addr,omitempty"`
}

// Certificate is one unit's certificate.
type Certificate struct {
	Unit    string    `json:"unit"`
	Subject string    `json:"subject"`
	Ends    time.Time `json:"ends"`
}

// DaysLeft is the whole days until the certificate ends, as of now.
func (c Certificate) DaysLeft(now time.Time) int { return int(c.Ends.Sub(now).Hours() / 24) }

// Config is what a Server shows. Overview, Metrics and Book are required.
type Config struct {
	Addr     string // HOST:PORT
	Overview func() Overview
	Metrics  *Metrics
	Book     *Book
	// Token is asked of everyone but for /healthz and /readyz; nil or an empty
	// answer asks nobody. It is called per request, so it may change.
	Token func() string
	Log   *slog.Logger // nil: silent
}

// Server is the status listener: a page, /metrics, /healthz and /readyz.
type Server struct {
	conf Config
	ln   net.Listener
	http *http.Server
}

//go:embed page.html
var files embed.FS

// New binds the address.
func New(conf Config) (*Server, error) {
	page, err := template.New("page.html").Funcs(template.FuncMap{
		"ago": func(now, t time.Time) string { return now.Sub(t).Round(time.Second).String() },
	}).ParseFS(files, "page.html")
	if err != nil {
		return nil, fmt.Errorf("reading the page: %w", err)
	}
	ln, err := net.Listen("tcp", conf.Addr)
	if err != nil {
		return nil, err
	}
	if conf.Log == nil {
		conf.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{conf: conf, ln: ln}
	s.http = &http.Server{
		Handler:           s.routes(page),
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(conf.Log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.ln.Addr() }

// Serve answers until Shutdown.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Restart has nothing to do: every request reads what is current.
func (s *Server) Restart() {}

// Shutdown lets what is under way finish until ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	s.ln.Close() // for the case that Serve was never called
	return err
}

func (s *Server) routes(page *template.Template) http.Handler {
	mux := http.NewServeMux()
	ok := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }
	mux.HandleFunc("GET /healthz", ok)
	mux.HandleFunc("GET /readyz", ok) // the listener is bound after all others
	mux.Handle("GET /metrics", s.guarded(s.conf.Metrics.handler()))
	mux.Handle("GET /{$}", s.guarded(s.page(page)))
	return mux
}

func (s *Server) page(page *template.Template) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		view := struct {
			Overview
			Now     time.Time
			Devices []Device
		}{s.conf.Overview(), time.Now(), s.conf.Book.Devices()}
		if err := page.Execute(w, view); err != nil {
			s.conf.Log.Debug("writing the status page", "err", err)
		}
	})
}

// guarded asks for the token, as a bearer token or as the password of basic
// authentication, which is what a browser can send.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := ""
		if s.conf.Token != nil {
			token = s.conf.Token()
		}
		if token != "" && !presents(r, token) {
			w.Header().Set("WWW-Authenticate", `Basic realm="cfgsrv status"`)
			http.Error(w, "This page needs the status token.", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func presents(r *http.Request, token string) bool {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		_, given, _ = r.BasicAuth()
	}
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
