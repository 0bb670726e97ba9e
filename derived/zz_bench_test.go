package derived
import ("testing";"os";"io";"bytes";"time";"net/http";"path/filepath"
"cfgsrv/certs/certstest";"cfgsrv/configfiles";"cfgsrv/device";"cfgsrv/trustlist";"cfgsrv/https";"context")
type nod struct{}
func (nod) Certificate(device.Name)(device.Certificate,bool){return device.Certificate{},false}
func (nod) Enrolment(device.Name)(int,bool){return 0,false}
func (nod) Pending(device.Name)bool{return false}
func mk(b testing.TB)(configfiles.Source){
 dir:=b.TempDir()
 os.WriteFile(filepath.Join(dir,"SEP001122334455.cnf.xml"), append([]byte("<device>"),append(bytes.Repeat([]byte("<x>abcdefgh</x>\n"),14<<10/16),[]byte("</device>")...)...),0o644)
 d,err:=configfiles.OpenDirectory(dir,nil); if err!=nil{b.Fatal(err)}
 src,err:=New(Config{Certs:certstest.Load(b,certstest.Dir(b)),Files:d,Devices:nod{},Lists:Lists{Host:"h",SignerVersion:trustlist.Version{Major:1,Minor:1}},Time:time.Now().Truncate(time.Second)})
 if err!=nil{b.Fatal(err)}
 return &configfiles.Guard{Directory:d,Devices:nod{},Next:src}
}
func bench(b *testing.B,name string){
 g:=mk(b); n,_:=configfiles.ParseName(name)
 buf:=make([]byte,32<<10)
 b.ReportAllocs()
 for b.Loop(){ f,err:=g.Open(context.Background(),configfiles.Request{Name:n}); if err!=nil{b.Fatal(err)}; for { _,err:=f.Content.Read(buf); if err==io.EOF{break}; if err!=nil{b.Fatal(err)}}; f.Content.Close()}
}
func BenchmarkPlain(b *testing.B){bench(b,"SEP001122334455.cnf.xml")}
func BenchmarkSigned(b *testing.B){bench(b,"SEP001122334455.cnf.xml.sgn")}
func bh(b *testing.B,name string){
 g:=mk(b)
 s,err:=https.New(https.Config{Listener:"http",Addr:"127.0.0.1:0",Generation:func()https.Generation{return https.Generation{Number:1,Files:g}}}); if err!=nil{b.Fatal(err)}
 go s.Serve(); defer s.Shutdown(context.Background())
 u:="http://"+s.Addr().String()+"/"+name
 b.ReportAllocs()
 for b.Loop(){ r,err:=http.Get(u); if err!=nil{b.Fatal(err)}; io.Copy(io.Discard,r.Body); r.Body.Close()}
}
func BenchmarkHTTPPlain(b *testing.B){bh(b,"SEP001122334455.cnf.xml")}
func BenchmarkHTTPSigned(b *testing.B){bh(b,"SEP001122334455.cnf.xml.sgn")}
