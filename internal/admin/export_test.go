package admin

import "time"

// Hasten shortens the server's bounds on reading and writing.
func (s *Server) Hasten(d time.Duration) { s.http.ReadTimeout, s.http.WriteTimeout = d, d }
