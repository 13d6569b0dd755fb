// Certificates for tests, made by the openssl command in the test's folder.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
const kKeyKind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

export class Authority {
  constructor(folder, name = 'Test CA') {
    this.folder = folder;
    this.file = path.join(folder, `${name.replace(/\W/g, '-')}.pem`);
    this.keyFile = `${this.file}.key`;
    openssl(
      'req',
      '-x509',
      ...kKeyKind,
      '-keyout',
      this.keyFile,
      '-out',
      this.file,
      '-subj',
      `/CN=${name}`,
      '-days',
      '2',
      '-addext',
      'basicConstraints=critical,CA:TRUE',
    );
    this.serial = 1;
  }

  /** A certificate for these names ("DNS:a.test", "IP:127.0.0.1"): {cert, key, certFile, keyFile}. */
  issue(...names) {
    const base = path.join(this.folder, `leaf-${this.serial}`);
    const [request, certFile, keyFile, extensions] = ['csr', 'pem', 'key', 'ext'].map((suffix) => `${base}.${suffix}`);
    openssl('req', ...kKeyKind, '-keyout', keyFile, '-out', request, '-subj', `/CN=leaf ${this.serial}`);
    fs.writeFileSync(extensions, `subjectAltName=${names.join(',')}\nextendedKeyUsage=serverAuth,clientAuth\n`);
    openssl(
      'x509',
      '-req',
      '-in',
      request,
      '-CA',
      this.file,
      '-CAkey',
      this.keyFile,
      '-set_serial',
      String(this.serial++),
      '-days',
      '2',
      '-extfile',
      extensions,
      '-out',
      certFile,
    );
    return { certFile, keyFile, cert: fs.readFileSync(certFile), key: fs.readFileSync(keyFile) };
  }
  get pem() {
    return fs.readFileSync(this.file);
  }
}
