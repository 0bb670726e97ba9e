// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"io"
	"net/http"

	"cfgsrv/trustlist"
)

// routes are what commands may ask of the running server.
func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.overview()) })
	mux.HandleFunc("GET /devices", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.book.Devices()) })
	mux.HandleFunc("GET /devices/{name}", s.showDevice)
	mux.HandleFunc("GET /lists/{kind}", s.showTrustList)
	mux.HandleFunc("GET /services", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.serviceStates()) })
	mux.HandleFunc("POST /services/{name}/{verb}", s.postService)
	mux.HandleFunc("GET /entropy", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.random.current().Report()) })
	mux.HandleFunc("GET /entropy/healthy", s.showHealthy)
	mux.HandleFunc("GET /tls", func(w http.ResponseWriter, _ *http.Request) { s.showTLS(w) })
	mux.HandleFunc("POST /tls/{listener}/explain", s.explain)
	return mux
}

func (s *server) showDevice(w http.ResponseWriter, r *http.Request) {
	d, ok := s.book.Device(r.PathValue("name"))
	if !ok {
		http.Error(w, "no request of "+r.PathValue("name")+" since the server started", http.StatusNotFound)
		return
	}
	writeJSON(w, d)
}

func (s *server) postService(w http.ResponseWriter, r *http.Request) {
	if err := s.service(r.Context(), r.PathValue("name"), r.PathValue("verb")); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
	}
}

// showHealthy fails with the sentence that says why no key may be made.
func (s *server) showHealthy(w http.ResponseWriter, r *http.Request) {
	if err := s.random.current().Started(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
	}
}

func (s *server) showTLS(w http.ResponseWriter) {
	g := s.live.current()
	v, err := newTLSView(&g.settings, g.certs)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeJSON(w, v)
}

// explain answers with what a client would get by its recorded ClientHello.
func (s *server) explain(w http.ResponseWriter, r *http.Request) {
	var recorded []byte
	if err := json.NewDecoder(io.LimitReader(r.Body, 2*maxRecorded)).Decode(&recorded); err != nil {
		http.Error(w, "reading the question: "+err.Error(), http.StatusBadRequest)
		return
	}
	g := s.live.current()
	v, err := explainHello(&g.settings, g.certs, r.PathValue("listener"), recorded)
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	writeJSON(w, v)
}

// showTrustList gives the very bytes that phones get.
func (s *server) showTrustList(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(s.live.current().derived.List(trustlist.Kind(r.PathValue("kind")))) // a command that went away wants no answer
}
