// A disk that a test can fill.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { until } from './wait.js';

/**
 * A file system of this size mounted at an empty folder, or null with a printed line where mounting is not allowed.
 * `options`: further ones of mount.
 */
export function smallDisk(world, folder, size, options = '') {
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}${options}`, 'tmpfs', folder]).status !== 0) {
    console.log('mounting a small tmpfs is not allowed here: the full-disk case is left out');
    return null;
  }
  const mounted = () => fs.readFileSync('/proc/mounts', 'utf8').includes(` ${folder} `);
  world.later(() => until(() => !mounted() || spawnSync('umount', [folder]).status === 0, 'the disk is unmounted'));
  const ballast = path.join(folder, 'ballast');
  return {
    folder,
    fill() {
      const descriptor = fs.openSync(ballast, 'w');
      const block = Buffer.alloc(4096);
      try {
        for (;;) fs.writeSync(descriptor, block);
      } catch (error) {
        assert.equal(error.code, 'ENOSPC');
      } finally {
        fs.closeSync(descriptor);
      }
    },
    empty() {
      fs.rmSync(ballast);
      assert.equal(spawnSync('mount', ['-o', 'remount,size=400m', folder]).status, 0);
    },
  };
}
