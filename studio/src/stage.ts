/** The dancer in three dimensions: a capsule for every bone, on a floor. Metres, y up. */

import * as THREE from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import type { Skeleton } from "./api";

const LEFT = "#2f7fd6", RIGHT = "#d6602f", MIDDLE = "#8a94a3";
const UP = new THREE.Vector3(0, 1, 0);

export class Stage {
  private readonly renderer: THREE.WebGLRenderer | null;
  private readonly scene = new THREE.Scene();
  private readonly camera = new THREE.PerspectiveCamera(35, 1, 0.05, 100);
  private readonly controls: OrbitControls;
  private readonly floor: THREE.GridHelper;
  private readonly ring: THREE.Mesh;
  private bones: { mesh: THREE.Mesh; from: number; to: number }[] = [];
  private head: { mesh: THREE.Mesh; joint: number } | null = null;
  private skeleton: Skeleton | null = null;
  private positions: Float32Array = new Float32Array();
  private readonly focus = new THREE.Vector3(0, 0.9, 0);
  /** The time that was drawn last, for measuring. */
  time = -1;
  private stale = true;
  private following = 0;
  private drawn = "";

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.renderer = makeRenderer(canvas);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enableDamping = true;
    this.controls.maxPolarAngle = Math.PI / 2;
    this.controls.minDistance = 1;
    this.controls.maxDistance = 20;
    this.controls.addEventListener("change", () => { this.stale = true; });
    this.camera.position.set(0.8, 1.4, 4.6);
    this.scene.add(new THREE.HemisphereLight("#ffffff", "#8d8d8d", 2.2));
    const sun = new THREE.DirectionalLight("#ffffff", 1.8);
    sun.position.set(2, 5, 3);
    this.scene.add(sun);
    this.floor = new THREE.GridHelper(12, 24);
    this.scene.add(this.floor);
    this.ring = new THREE.Mesh(
      new THREE.RingGeometry(0.34, 0.4, 64),
      new THREE.MeshBasicMaterial({ color: "#0b5cad", transparent: true, side: THREE.DoubleSide }),
    );
    this.ring.rotation.x = -Math.PI / 2;
    this.ring.visible = false;
    this.scene.add(this.ring);
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement ?? canvas);
    this.setTheme(false);
  }

  setTheme(dark: boolean): void {
    this.scene.background = new THREE.Color(dark ? "#1a1f27" : "#ffffff");
    const material = this.floor.material as THREE.LineBasicMaterial;
    material.vertexColors = false;
    material.color.set(dark ? "#3a4452" : "#d3d8df");
    material.needsUpdate = true;
    this.stale = true;
  }

  load(skeleton: Skeleton, positions: Float32Array): void {
    this.bones.forEach(({ mesh }) => this.remove(mesh));
    if (this.head) this.remove(this.head.mesh);
    this.skeleton = skeleton;
    this.positions = positions;
    this.bones = [];
    skeleton.parents.forEach((parent, joint) => {
      if (parent < 0) return;
      const length = this.joint(0, joint).distanceTo(this.joint(0, parent));
      const name = skeleton.joints[joint] ?? "";
      const colour = /^(l|left)/i.test(name) ? LEFT : /^(r|right)/i.test(name) ? RIGHT : MIDDLE;
      const torso = /spine|pelvis|neck|collar|hip/i.test(name);
      const radius = torso ? 0.065 : Math.min(0.055, Math.max(0.024, length * 0.17));
      const geometry = new THREE.CapsuleGeometry(radius, Math.max(length - radius, 0.01), 6, 14);
      const mesh = new THREE.Mesh(geometry, new THREE.MeshStandardMaterial({ color: colour, roughness: 0.6 }));
      this.scene.add(mesh);
      this.bones.push({ mesh, from: parent, to: joint });
    });
    const joint = skeleton.joints.findIndex((name) => /head/i.test(name));
    if (joint >= 0) {
      const mesh = new THREE.Mesh(
        new THREE.SphereGeometry(0.1, 24, 16), new THREE.MeshStandardMaterial({ color: MIDDLE, roughness: 0.6 }),
      );
      this.scene.add(mesh);
      this.head = { mesh, joint };
    }
    this.ring.visible = true;
    this.focus.copy(this.joint(0, 0));
    this.show(0);
    this.placeCamera();
    this.stale = true;
  }

  /** Show the dancer at a time; `flash` from 0 to 1 lights the ring on a beat. */
  draw(time: number, flash: number, isDownbeat: boolean): void {
    this.controls.update();
    // Nothing is drawn twice: a paused page leaves the processor alone.
    const state = `${time} ${flash.toFixed(2)} ${isDownbeat}`;
    if (!this.stale && state === this.drawn) return;
    if (this.skeleton) this.show(time);
    const material = this.ring.material as THREE.MeshBasicMaterial;
    material.opacity = 0.15 + 0.85 * flash;
    material.color.set(isDownbeat ? "#d6602f" : "#2f7fd6");
    this.ring.scale.setScalar(1 + 0.25 * flash);
    this.renderer?.render(this.scene, this.camera);
    // While the camera still moves towards the dancer, it goes on.
    this.stale = this.following > 1e-3;
    this.drawn = state;
  }

  private show(time: number): void {
    const skeleton = this.skeleton;
    if (!skeleton) return;
    const exact = Math.min(Math.max(time * skeleton.fps, 0), skeleton.frames - 1);
    this.time = time;
    for (const { mesh, from, to } of this.bones) {
      const a = this.between(exact, from), b = this.between(exact, to);
      mesh.position.copy(a).add(b).multiplyScalar(0.5);
      mesh.quaternion.setFromUnitVectors(UP, b.sub(a).normalize());
    }
    if (this.head) {
      this.head.mesh.position.copy(this.between(exact, this.head.joint)).addScaledVector(UP, 0.08);
    }
    const root = this.between(exact, 0);
    this.ring.position.set(root.x, 0.005, root.z);
    // The camera follows, softly.
    const shift = new THREE.Vector3(root.x - this.focus.x, 0, root.z - this.focus.z).multiplyScalar(0.12);
    this.following = shift.length();
    this.focus.add(shift);
    this.camera.position.add(shift);
    this.controls.target.copy(this.focus).setY(0.9);
  }

  private placeCamera(): void {
    this.controls.target.copy(this.focus).setY(0.9);
    this.camera.position.set(this.focus.x + 0.8, 1.4, this.focus.z + 4.6);
    this.resize();
  }

  private joint(frame: number, joint: number): THREE.Vector3 {
    const at = (frame * (this.skeleton?.joints.length ?? 0) + joint) * 3;
    const [x = 0, y = 0, z = 0] = this.positions.subarray(at, at + 3);
    return new THREE.Vector3(x, y, z);
  }

  private between(exact: number, joint: number): THREE.Vector3 {
    const frame = Math.floor(exact), last = (this.skeleton?.frames ?? 1) - 1;
    return this.joint(frame, joint).lerp(this.joint(Math.min(frame + 1, last), joint), exact - frame);
  }

  private remove(mesh: THREE.Mesh): void {
    this.scene.remove(mesh);
    mesh.geometry.dispose();
    (mesh.material as THREE.Material).dispose();
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas.parentElement ?? this.canvas;
    if (!width || !height) return;
    this.renderer?.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    this.renderer?.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    this.stale = true;
  }
}

function makeRenderer(canvas: HTMLCanvasElement): THREE.WebGLRenderer | null {
  try {
    return new THREE.WebGLRenderer({ canvas, antialias: true });
  } catch {
    // No WebGL: everything but the dancer works.
    canvas.setAttribute("aria-label", "This browser has no WebGL, so the dancer can't be drawn.");
    return null;
  }
}
