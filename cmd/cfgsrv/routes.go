// SPDX-License-Identifier: Apache-2.0

package main

import (
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
	mux.HandleFunc("POST /services/{name}/{verb}", s.changeService)
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

func (s *server) changeService(w http.ResponseWriter, r *http.Request) {
	if err := s.service(r.Context(), r.PathValue("name"), r.PathValue("verb")); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
	}
}

// showTrustList gives the very bytes that phones get.
func (s *server) showTrustList(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(s.live.current().derived.List(trustlist.Kind(r.PathValue("kind")))) // a command that went away wants no answer
}
