// Package admin is how staff, admins and programs look in: a JSON API over HTTP.
//
// It decides nothing. A request goes through these hands:
//
//	API.ServeHTTP    an id, the security headers, one recover, one log line, the metrics
//	API.authenticate the token → who asks, for which organisation, with which rights
//	huma             path, query and body → typed input; what does not fit its schema is 422
//	a handler        one call of ticketing.Service or outbound.Queue
//	wire.go          what that returned → JSON
//	errors.go        what went wrong → status and problem document (RFC 9457)
//
// The OpenAPI document (/v1/openapi.json) and the page /docs are made from the same types that
// read requests and write responses; a test calls every operation and holds the responses against it.
//
// Rules that hold everywhere: ids are strings with a prefix (tkt_1, ent_…); lists are newest first unless they are a
// story, and come in pages linked by "next"; a ticket is changed by JSON merge patch (RFC 7396), guarded by
// ETag and If-Match; a POST that carries an Idempotency-Key is carried out once; whatever is not known,
// a field or a parameter, is refused. Nothing here is on the way of a letter: when this package
// fails, mail still flows.
//
// Read in this order: server.go, middleware.go, errors.go, wire.go, tickets.go, then the others.
package admin
