// Package postgres runs a private PostgreSQL server as a child of this program, and opens pools on
// any PostgreSQL.
//
// # The private server
//
// Everything lies in one folder (Config.Dir):
//
//	lock          held with flock while a program uses the folder; names its process
//	data          the cluster, owned by the user the server runs as; never deleted by us
//	data.new      a cluster that initdb is making; a left-over is removed
//	run           the Unix socket (or a folder in /tmp, when the path does not do for a socket)
//	pg_hba.conf   who may connect: this user and the server's, by the socket alone, no password
//	pg_ident.conf
//
// The two files lie outside data, so that a program run as root never writes where the server's
// user could have put a symbolic link.
//
// Start goes in this order: lock, find the programs of the right major version, choose the user,
// initdb and rename, write the two files, end a server that a killed run left behind, start postgres
// and wait until it takes connections, create the database. Then a goroutine supervises it:
//
//	state     event                           next
//	starting  takes connections               running
//	starting  ends                            starting again, for startPatience; then given up
//	running   ends by itself                  starting, after a pause that doubles
//	running   the fifth end within a minute   given up: Run returns ErrGaveUp
//	any       Stop                            SIGINT, later SIGQUIT, SIGKILL; stopped
//
// # What if it dies here
//
//   - initdb killed half-way: data does not exist yet, data.new is removed by the next start.
//   - This program killed: the kernel sends the server SIGINT (Linux), which ends it cleanly; elsewhere,
//     and if it is still stopping, the next start finds it by postmaster.pid, stops it and waits.
//   - The server killed: its processes notice and end; the supervisor starts it again, it recovers
//     from its log. Pools fail meanwhile and work again afterwards.
//   - Both killed, or the power fails: postmaster.pid is stale. The server finds out by itself, after
//     the last process of the old one has gone; until then it refuses to start, so we try again.
//   - The stale process id belongs to another process by now (common in containers and after a power
//     failure): the server would refuse for ever, so it is told to disregard this id. It still checks
//     the shared memory of the old server, so two servers never run on one cluster.
//
// Reading order: server.go, cluster.go, find.go, account.go, orphan.go, process.go, ready.go, log.go,
// pool.go.
package postgres
