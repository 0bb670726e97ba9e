// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"cfgsrv/certs"
	"cfgsrv/entropy"
	"cfgsrv/listeners"
	"cfgsrv/reload"
	"cfgsrv/status"
	"cfgsrv/tvs"
)

// drainTime is how long what is under way may take after SIGTERM; the whole end
// takes less than five seconds.
const drainTime = 3 * time.Second

func (p *program) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server in the foreground",
		Long:  "serve runs the server in the foreground and logs to stderr. SIGHUP loads everything again; SIGTERM ends it.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := p.loader()
			if err != nil {
				return err
			}
			return p.serve(cmd.Context(), l)
		},
	}
	cmd.Flags().AddFlagSet(p.listen)
	return cmd
}

// loader makes the loader for the data directory and the settings that the
// command line and the environment name.
func (p *program) loader() (*loader, error) {
	if err := flagsFromEnvironment(p.listen, os.LookupEnv); err != nil {
		return nil, usageError{err}
	}
	root, err := filepath.Abs(dataPath(p.flags.data, os.LookupEnv))
	if err != nil {
		return nil, fmt.Errorf("finding the data directory: %w", err)
	}
	folders := map[string]string{}
	for name, path := range map[string]string{"files": p.flags.files, "certs": p.flags.certs} {
		if path == "" {
			continue
		}
		if folders[name], err = filepath.Abs(path); err != nil {
			return nil, fmt.Errorf("finding the folder of the %s: %w", name, err)
		}
	}
	return &loader{data: data{root}, log: slog.New(slog.DiscardHandler), override: func(s *settings) {
		setIf(&s.Files, folders["files"])
		setIf(&s.Certs, folders["certs"])
		setIf(&s.Log.Level, p.flags.logLevel.word)
		setIf(&s.Log.Format, p.flags.logFormat.word)
		for name, addr := range s.Listen.fields() {
			setIf(addr, p.listen.Lookup(name).Value.String())
		}
	}}, nil
}

func setIf(setting *string, given string) {
	if given != "" {
		*setting = given
	}
}

// server is one run of serve.
type server struct {
	loader     *loader
	log        *slog.Logger
	level      *slog.LevelVar
	live       live
	set        *listeners.Set
	watch      *reload.Watcher
	supervisor supervisor
	metrics    *status.Metrics
	book       *status.Book
	working    sync.Map // the running inProgress, by listener
	random     *randomWatch
	inspector  inspector
	services   *services
	changing   sync.Mutex // held while the generation or the services change
	started    time.Time
	tried      diskMark // the last state of the disk that was loaded, good or bad
	fault      faultText
}

// serve runs until ctx ends or a listener fails. It never starts half: all is
// loaded, checked and bound before anything is served.
func (p *program) serve(ctx context.Context, l *loader) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // from the first moment: SIGHUP never ends the server
	defer signal.Stop(hup)

	conf, faults := l.settings()
	out := &logWriter{w: p.stderr}
	defer func() { _ = out.Flush() }() // last of all, so that nothing that was logged is missing
	s := newServer(l, out, &conf)
	defer l.close()
	if len(faults) > 0 {
		l.lenient = true // only the settings are to blame for what is missing
		_, f := l.load(ctx)
		return f.asError()
	}
	if err := createFolders(l.data, &conf); err != nil {
		return err
	}
	release, err := lockData(l.data)
	if err != nil {
		return err
	}
	defer release()
	if err := s.openState(ctx); err != nil {
		return err
	}
	if err := entropy.Ready(ctx, s.log); err != nil {
		return err
	}
	if err := s.random.configure(ctx, conf.Entropy, !s.services.runs(entropyDaemon)); err != nil {
		return err
	}
	defer s.random.close()
	if err := s.makeUnits(ctx, &conf); err != nil {
		return err
	}
	return s.run(ctx, hup, conf.Certs)
}

// openState opens what the server keeps in state/.
func (s *server) openState(ctx context.Context) (err error) {
	l := s.loader
	if s.services, err = openServices(l.data); err != nil {
		return err
	}
	if l.enrolments, err = openEnrolments(ctx, l.data); err != nil {
		return err
	}
	if l.memory, err = tvs.OpenMemory(l.data.trustMemory()); err != nil {
		return fmt.Errorf("opening the memory of trust lists: %w", err)
	}
	return nil
}

func newServer(l *loader, stderr io.Writer, conf *settings) *server {
	s := &server{loader: l, level: new(slog.LevelVar), started: time.Now(), metrics: status.NewMetrics(), book: new(status.Book)}
	s.level.Set(logLevel(conf.Log.Level))
	s.log = newLogger(stderr, conf.Log.Format, s.level)
	s.supervisor.log = s.log
	s.inspector = newInspector()
	s.random = &randomWatch{log: s.log}
	s.metrics.Entropy(s.random.passes, map[string]func() uint64{
		string(entropy.RepetitionCountTest):    s.random.alarms(entropy.RepetitionCountTest),
		string(entropy.AdaptiveProportionTest): s.random.alarms(entropy.AdaptiveProportionTest),
	})
	s.metrics.InProgress(s.inProgress)
	l.log, l.healthy, l.made = s.log, s.random.healthy, s.countMade
	return s
}

// makeUnits finishes a replacement that was broken off, and makes a self-signed
// certificate for each unit that has none.
func (s *server) makeUnits(ctx context.Context, conf *settings) error {
	if err := certs.Recover(conf.Certs); err != nil {
		return fmt.Errorf("finishing a replaced certificate: %w", err)
	}
	if _, err := certs.Load(os.DirFS(conf.Certs)); err != nil {
		return findings{faults: separate(err)}.asError()
	}
	if len(certs.Missing(os.DirFS(conf.Certs))) > 0 && s.services.runs(entropyDaemon) {
		if err := s.random.current().Started(ctx); err != nil {
			return err
		}
	}
	made, err := certs.Maker{Healthy: s.random.healthy}.CreateMissing(conf.Certs, certs.Template{Host: conf.Cluster.Host})
	if err != nil {
		return fmt.Errorf("making the missing certificates: %w", err)
	}
	for _, u := range made {
		s.log.Info("certificate made", "unit", u)
	}
	return nil
}

func (s *server) run(ctx context.Context, hup <-chan os.Signal, certsFolder string) error {
	s.set = listeners.New(listeners.Config{Log: s.log})
	s.tried = s.mark(certsFolder)
	g, f := s.loader.load(ctx)
	if g == nil {
		return f.asError()
	}
	s.tell(f)
	change, err := s.prepare(ctx, g)
	if err != nil {
		return err
	}
	defer change.Abort() // does nothing after Commit
	control, err := newControl(s.loader.data, s.routes(), s.log)
	if err != nil {
		return err
	}
	if g.settings.Security.Sandbox {
		if err := enterSandbox(s.loader.data.root, g.settings.Certs); err != nil {
			return errors.Join(err, control.ln.Close())
		}
	}
	if err := s.observe(ctx, g); err != nil {
		return errors.Join(err, control.ln.Close())
	}
	s.publish(g)
	change.Commit(g.number)
	return s.work(ctx, hup, control)
}

// work does everything that goes on while the server serves, and ends it all.
func (s *server) work(ctx context.Context, hup <-chan os.Signal, control *control) error {
	group, ctx := errgroup.WithContext(ctx)
	s.watch = reload.New(reload.Config{Folders: s.watched, Files: []string{s.loader.data.settings()}, Log: s.log})
	group.Go(func() error { s.watch.Run(ctx, s.reload); return nil })
	group.Go(func() error { s.watchFiles(ctx); return nil })
	group.Go(func() error { s.inspectFiles(ctx); return nil })
	group.Go(func() error { paceMemory(ctx, os.LookupEnv, readMemory); return nil })
	group.Go(func() error { return control.serve(ctx) })
	group.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-hup:
				s.watch.Trigger(reasonHangup)
			}
		}
	})
	group.Go(func() error {
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.set.Failed():
			return err
		}
	})
	s.supervisor.ready(fmt.Sprintf("serving generation %d", s.live.current().number))
	<-ctx.Done()
	s.supervisor.stopping()
	return errors.Join(s.shutdown(), group.Wait())
}

func (s *server) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	return s.set.Shutdown(ctx)
}
