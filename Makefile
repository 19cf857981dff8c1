# `make run` and `make test` are all a newcomer needs; both build the virtual environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Test files at once: most of a test is one core's work, or waiting for a kernel or a browser.
WORKERS ?= 2
# Idle OpenMP threads that spin take the core from the process that works.
export OMP_WAIT_POLICY := PASSIVE
export MUJOCO_GL ?= disabled

.PHONY: run quick test suite vision venv browser drawing hero lint types lab data layouts verify table screenshot real variants variants-real carrying bench soak trackers crowd soak-sweep slurm truth clean evidence cross grid curves leads lerobot kinematics base weights preempt stop browsers clicks first-sight gpu gpu-wheels pusht aloha maniskill

run: venv
	$(BIN)/ate run --profile demo

# One thread a test process: two processes with two threads each would wait for each other on two cores.
suite quick: export OMP_NUM_THREADS ?= 1

# The types are checked while the first tests run.
test: venv browser drawing
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory -j2 types suite

suite: venv
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=15

# While working: no browser, no notebook kernel, nothing that trains for more than seconds.
quick: venv
	$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=15 \
	  -m "not slow and not browser and not kernel"

venv: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; give one with PYTHON=…") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e '.[all,test]'
	touch $@

# The browser tests need Chromium; Debian and Ubuntu have it by apt.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
	  if [ "$$(id -u)" = 0 ]; then SUDO=; else SUDO=sudo; fi; \
	  $$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq chromium >/dev/null; }

# Pictures and films of robots need EGL or OSMesa, which draw in software; Debian and Ubuntu have both by apt.
drawing: venv
	@draws() { $(BIN)/python -c 'from ate.sim.opengl import backend; backend()'; }; draws 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ]; then SUDO=; else SUDO=sudo; fi; \
	  $$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq libegl1 libopengl0 libgl1-mesa-dri >/dev/null && draws; }

lint: venv
	$(BIN)/ruff check
	$(BIN)/lint-imports
	$(BIN)/ruff format --check -q ate tests benchmarks
	$(BIN)/nbstripout --verify notebooks/*.ipynb

types: venv
	$(BIN)/mypy

# JupyterLab on this machine only, behind a token that it prints.
lab: venv
	$(BIN)/jupyter lab --ServerApp.ip=127.0.0.1 --ServerApp.allow_root=True notebooks

# Records data/ again into build/data and compares the checksums with the shipped ones.
data: venv
	rm -rf build/data && $(BIN)/ate demos --all --out build/data
	cd build/data && sha256sum --quiet -c SHA256SUMS
	diff build/data/SHA256SUMS data/SHA256SUMS && echo "data/ is reproduced bit by bit"

# Expert and replay success of every robot and task, 50 seeds each.
verify: venv
	$(BIN)/ate demos --verify --episodes 50

# The methods of notebook 03 at two numbers of demonstrations.
table: venv
	$(BIN)/ate compare --run runs/table --demonstrations 5 --seeds 8
	$(BIN)/ate compare --run runs/table --demonstrations 25 --seeds 8

# Recordings of people, for which there is no simulator: Sawyer → Panda, at one rate and with one opening a gripper.
REAL ?= tests/real
REAL_RUN := runs/real
real: venv
	rm -rf $(REAL_RUN)/sawyer $(REAL_RUN)/panda $(REAL_RUN)/retargeted
	$(BIN)/ate convert $(REAL)/robosuite_sawyer/hdf5 $(REAL_RUN)/sawyer --rate 20 --gripper
	$(BIN)/ate convert $(REAL)/robosuite_panda/hdf5 $(REAL_RUN)/panda --rate 20 --gripper --exclude episode_0005
	$(BIN)/ate retarget $(REAL_RUN)/sawyer --robot panda --format lerobot --out $(REAL_RUN)/retargeted
	$(BIN)/ate run --profile demo --run $(REAL_RUN)/run -p pretrain=$(REAL_RUN)/sawyer -p adapt=$(REAL_RUN)/panda \
	  -p pretrain_steps=2000 -p held_out=0.4 -p demonstrations=2 -p steps=300 --only 03

# Base policies on the robots they were trained on, three tasks, in joints and in tool space, and what each part is worth.
base: venv
	$(BIN)/python -m benchmarks.base_policies --run runs/base --task lift
	$(BIN)/python -m benchmarks.base_policies --run runs/base --task place push --steps 18000
	$(BIN)/python -m benchmarks.base_policies --run runs/base --space joints --task place --parameterization sample --ablate

# The pre-trained weights of the demo set, in data/weights.
weights: venv
	$(BIN)/python -m benchmarks.weights runs/base

# The picture at the top of the README: notebook 02 in JupyterLab, on the run of `make run`.
screenshot: venv browser
	$(BIN)/python -m benchmarks.screenshot runs/demo docs/explorer.png

# The animation at the top of the README: direct fine-tuning and the best method of `make run`, from one start.
hero: venv drawing
	$(BIN)/python -m benchmarks.hero runs/demo docs/hero.webp

# Eight variants of alignment, both adaptation robots, 3 seeds: inside, doing the same thing, and at what cost.
LIFT := data/lift
variants: venv
	$(BIN)/ate benchmark --run runs/benchmark $(foreach robot,panda sawyer iiwa14 xarm7 xarm6,--pretrain $(LIFT)/pretrain/$(robot)) \
	  --adapt $(LIFT)/adapt/ur5e --adapt $(LIFT)/adapt/gen3

# The same on recordings of people: Sawyer → Panda, and Sawyer + Panda → the right arm of Baxter and of GR1.
RIGHT_ARMS := --pretrain $(REAL)/robosuite_sawyer/hdf5 --pretrain $(REAL)/robosuite_panda/hdf5 --joints-pretrain "right_j*,robot0_joint*"
variants-real: venv
	$(BIN)/ate benchmark --run runs/benchmark-panda --pretrain $(REAL)/robosuite_sawyer/hdf5 \
	  --adapt $(REAL)/robosuite_panda/hdf5 --exclude episode_0005
	$(BIN)/ate benchmark --run runs/benchmark-baxter $(RIGHT_ARMS) --adapt $(REAL)/robosuite_baxter/hdf5 --joints "right_*"
	$(BIN)/ate benchmark --run runs/benchmark-gr1 $(RIGHT_ARMS) --adapt $(REAL)/gr1_lerobot_v20/hdf5 --robot gr1_arms \
	  --joints "right_shoulder*,right_elbow*,right_wrist*"

# What latents carry, compared with a PCA, and how far off a translated tool is: both robots, 3 seeds.
carrying: venv
	$(BIN)/python -m benchmarks.carrying

# Encoder and policy, then every method on both new robots in Lift and Place, with 0, 5 and 25 demonstrations: four hours.
vision: venv
	$(BIN)/python -m ate vision train --out runs/vision
	$(BIN)/python -m benchmarks.vision locate
	$(BIN)/python -m benchmarks.vision instructions
	$(BIN)/python -m benchmarks.adaptation

bench: venv
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.indexing
	$(BIN)/python -m benchmarks.alignment
	$(BIN)/python -m benchmarks.guidance
	$(BIN)/python -m benchmarks.ensemble
	$(BIN)/python -m benchmarks.rollouts

# A tiny alignment and the demo one, killed 20 times at random moments and resumed, must end with the bits of undisturbed ones.
soak: venv
	ATE_KILLS=20 $(BIN)/python -m pytest -q tests/align/test_kill.py
	$(BIN)/python -m benchmarks.soaks.kill_alignment

# Notebook 01 in a kernel of its own on every layout; the tests execute its cells in one process.
layouts: venv
	ATE_LAYOUTS=all $(BIN)/python -m pytest -q -n $(WORKERS) tests/data/formats/test_notebook_01.py

# The same under torchrun: one of two processes gets SIGTERM at 10 random moments, without dropout and with it.
preempt: venv
	$(BIN)/python -m benchmarks.soaks.preemption

# The Stop button while a notebook's training runs in a process of its own, then Run All: four minutes of a browser.
stop: venv browser
	$(BIN)/python -m pytest -q -n 0 benchmarks/soaks/test_stop_button.py

# 20 rounds of every browser test, each with new kernels, while both cores are kept busy: over an hour.
browsers: venv browser
	$(BIN)/python -m benchmarks.soaks.browsers

# 20 rounds of clicks in one notebook 04, while both cores are kept busy.
clicks: venv browser
	timeout 1200 sh -c 'while :; do :; done' & one=$$!; timeout 1200 sh -c 'while :; do :; done' & other=$$!; \
	  $(BIN)/python -m pytest -q -n 0 benchmarks/soaks/test_clicks.py; code=$$?; kill $$one $$other; exit $$code

# Seconds to the first figure, of notebook 01 in JupyterLab and of the report of `make run`.
first-sight: venv browser
	$(BIN)/python -m benchmarks.first_sight runs/demo/report.html

# What runs on a GPU and how fast, in under 7 minutes, with the machine's own Python: it needs PyTorch 2.11 or newer with
# CUDA, and no network. Filled beforehand, build/wheels brings the packages that such machines lack.
gpu:
	$(PYTHON) -m benchmarks.gpu

gpu-wheels: venv
	$(BIN)/pip download -q --no-deps -c constraints.txt -d build/wheels cachetools diffusers

# `ate track` with the real trackers, which only those install who use them (trackio 57 MB, wandb 76 MB).
trackers: venv
	$(BIN)/pip install -q -c constraints.txt -e '.[track]' wandb
	$(BIN)/python -m pytest -q tests/runs/test_tracking.py

# 50 executions of notebooks at once: no output differs from that of a lone run.
crowd: venv
	nice $(BIN)/python -m benchmarks.soaks.crowd

# A sweep at smoke size with its workers, killed 30 times at random moments: every cell once, equal to an undisturbed one.
soak-sweep: venv
	$(BIN)/python -m benchmarks.soaks.kill_sweep

# A sweep on a real Slurm of two nodes on this machine, from Debian's packages, with one job cancelled and one node drained.
slurm: venv
	@command -v slurmctld >/dev/null && command -v munged >/dev/null || { \
	  if [ "$$(id -u)" = 0 ]; then SUDO=; else SUDO=sudo; fi; \
	  $$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq slurm-wlm munge >/dev/null; }
	$(BIN)/python -m benchmarks.soaks.slurm

# Kinematics against truth: files, identification with and without noise, refusals.
kinematics: venv
	$(BIN)/python -m benchmarks.kinematics

# 1,000 simulated sweeps whose truth is known: false verdicts without an effect, power of plans with one.
truth: venv
	$(BIN)/python -m benchmarks.sweep_truth

# What moves a policy to a new robot, with controls: three tasks, two robots, two policies, with 5, 25 and no demonstrations,
# 8 seeds of 100 rollouts; every control in two studies. Place and Push pre-train for longer than Lift needs. Hours on two cores; stopped, it goes on with what is missing.
EVIDENCE := runs/evidence
evidence: venv
	for regime in "5 evidence" "0 comparison" "5 controls" "25 comparison"; do for task in lift place push; do for robot in gen3 ur5e; do \
	  set -- $$regime $$task-$$robot; case "$$2 $$3" in "controls lift-gen3"|"controls place-ur5e") ;; controls*) continue;; esac; \
	  mkdir -p $(EVIDENCE)/$$3 runs/base/policies && ln -sfn $(CURDIR)/runs/base/policies $(EVIDENCE)/$$3/policies; \
	  $(BIN)/ate compare --run $(EVIDENCE)/$$3 --pretrain data/$$task/pretrain --adapt data/$$task/adapt/$$robot \
	    --methods $$2 --demonstrations $$1 --seeds 8 --rollouts 100 --workers $(WORKERS) \
	    --pretrain-steps $$(test $$task = lift && echo 10000 || echo 18000) || exit 1; done; done; done
	$(BIN)/ate compare --run $(EVIDENCE)/place-gen3 --pretrain data/place/pretrain --adapt data/place/adapt/gen3 \
	  --only "retarget, 96 rows" --only "guidance without a latent" --only "guidance by plain tool motion" --demonstrations 25 --seeds 8 --rollouts 100 \
	  --workers $(WORKERS) --pretrain-steps 18000
	$(BIN)/ate evidence $(EVIDENCE)/* --json docs/evidence.json
	$(BIN)/python -m benchmarks.pages

# Across tasks: demonstrations of Lift alone, rollouts of Place and Push.
cross: venv
	$(BIN)/python -m benchmarks.cross_task --run runs/cross --policies runs/base/policies

# λ × share of tool-motion guidance on the arm of seven joints, the winner on 16 more seeds; and retargeting with three
# times the steps, which take as long as those of guidance.
grid: venv
	mkdir -p runs/grid runs/base/policies && ln -sfn $(CURDIR)/runs/base/policies runs/grid/policies
	$(BIN)/ate sweep --run runs/grid --adapt data/lift/adapt/gen3 --lams 0.3,1,3 --axis share=0.25,0.5,1 --seeds 8 --validate 16
	$(BIN)/ate compare --run runs/grid --adapt data/lift/adapt/gen3 --steps 1800 --seeds 8 --rollouts 100

# Success against demonstrations and against steps: direct, from scratch, tool-motion guidance; flow policy, 4 seeds.
curves: venv
	for axis in demonstrations=5,10,25,50 steps=20,40,80,160,320; do $(BIN)/ate sweep --run runs/curves --lams 1 --clamps inf \
	  --axis parameterization=flow_noise_at_1 --axis $$axis --axis controls=scratch --seeds 4 --validate 0 || exit 1; done
	$(BIN)/ate curve runs/curves

# Research: forms of guidance that are no option of the product, each with its control.
leads: venv
	$(BIN)/python -m benchmarks.leads --run runs/leads --parameterizations flow_noise_at_1 --demonstrations 25 --steps 80
	$(BIN)/python -m benchmarks.leads --run runs/leads --parameterizations flow_noise_at_1 --demonstrations 5 --steps 300

# Where the recordings of PushT are kept.
PUSHT := runs/pusht

# Guidance on lerobot's own four policies, and its DiffusionPolicy on retargeted episodes, in an environment of their own: 0.4.4 on Python 3.11, 0.6.1 on 3.12 and newer.
LEROBOT := .venv-lerobot
# lerobot's commands import torchvision, whose wheel there is built for another torch.
LEROBOT_PATH := SDL_VIDEODRIVER=dummy PYTHONPATH=tests/lerobot/site
$(LEROBOT)/.installed: tests/lerobot/requirements.txt tests/lerobot/requirements-alone.txt
	$(PYTHON) -m venv $(LEROBOT)
	$(LEROBOT)/bin/pip install -q -r tests/lerobot/requirements.txt
	$(LEROBOT)/bin/pip install -q --no-deps -r tests/lerobot/requirements-alone.txt
	$(LEROBOT)/bin/pip install -q --no-deps -e plugins/lerobot_policy_ate
	touch $@

lerobot: venv $(LEROBOT)/.installed
	$(LEROBOT)/bin/python -m benchmarks.lerobot
	test -d build/retargeted || $(BIN)/ate retarget data/lift/pretrain --robot ur5e --format lerobot --out build/retargeted
	$(LEROBOT)/bin/python -m benchmarks.lerobot_training build/retargeted --robot ur5e --steps 1000
	test -d build/alignment-ur5e || $(BIN)/ate align --preset smoke --pretrain data/lift/pretrain/panda --adapt data/lift/adapt/ur5e \
	  --out build/alignment-ur5e
	$(LEROBOT)/bin/python -m benchmarks.lerobot_plugin build/retargeted --alignment build/alignment-ur5e --out build/lerobot-runs
	$(LEROBOT_PATH) $(BIN)/ate sweep benchmarks/lerobot.yaml --run build/lerobot-sweep
	test -d $(PUSHT)/data || $(BIN)/python -m benchmarks.pusht $(PUSHT)/data
	test -d build/lerobot-pusht || $(BIN)/ate convert $(PUSHT)/data/pusht build/lerobot-pusht --format lerobot
	test -d build/alignment-pusht || $(BIN)/ate align --preset smoke --pretrain $(PUSHT)/data/turned --adapt $(PUSHT)/data/pusht \
	  --out build/alignment-pusht
	$(LEROBOT_PATH) $(BIN)/ate sweep benchmarks/lerobot_pusht.yaml --run build/lerobot-pusht-sweep
	$(LEROBOT)/bin/python -m pytest -q tests/lerobot

clean:
	rm -rf build .pytest_cache .mypy_cache .ruff_cache

# PushT, a simulator of others: scripted demonstrations of two robots, then notebook 03 with success in that environment.
PUSHT_SIZE ?= -p pretrain_steps=1500 -p steps=300 -p demonstrations=10 -p seeds=2 -p rollouts=20
pusht: venv
	test -d $(PUSHT)/data || $(BIN)/python -m benchmarks.pusht $(PUSHT)/data
	$(BIN)/ate run --profile demo --run $(PUSHT)/run --only 03 -p pretrain=$(PUSHT)/data/turned -p adapt=$(PUSHT)/data/pusht \
	  -p source=action -p align=smoke -p parameterizations=sample $(PUSHT_SIZE) \
	  -p "simulator=gym:gym_pusht/PushT-v0,qpos=agent_pos,state=environment_state,success=coverage>=0.8,option.obs_type=environment_state_agent_pos,image=render"

# gym-aloha in an environment of its own, which has mujoco 3: a policy that holds its position, as far as it gets.
build/aloha/.installed:
	$(PYTHON) -m venv build/aloha
	build/aloha/bin/pip install -q gym-aloha
	touch $@

ALOHA_SIZE ?= --rollouts 3 --steps 20
aloha: venv build/aloha/.installed
	MUJOCO_GL=egl $(BIN)/python -m benchmarks.own_simulator \
	  "gym:gym_aloha/AlohaTransferCube-v0,qpos=agent_pos,option.obs_type=pixels_agent_pos,python=build/aloha/bin/python,timeout=300" $(ALOHA_SIZE)

# ManiSkill3 in an environment of its own: demonstrations of its motion planner, then notebook 03 with success in PickCube
# (or TASK=PushCube-v1), pre-trained on ManiSkill's own Panda, and then on our arms, whose policies see joints alone.
build/maniskill/.installed:
	$(PYTHON) -m venv build/maniskill
	build/maniskill/bin/pip install -q torch "numpy<2" mani_skill==3.0.1 mplib==0.1.1 "opencv-python<5"
	touch $@

TASK ?= PickCube-v1
MANISKILL := runs/maniskill/$(TASK)
MANISKILL_SIZE ?= -p pretrain_steps=2000 -p steps=300 -p demonstrations=5 -p seeds=2 -p rollouts=5
MANISKILL_EPISODES ?= 30
CUBE := gym:benchmarks/maniskill.py:$(TASK),qpos=agent/qpos[0:8],state=extra/tcp_pose+extra/goal_pos+extra/obj_pose,success=success,gripper=0:0.04,command=-1:1,steps=100
CUBE := $(CUBE),option.num_envs=1,option.obs_mode=state_dict,option.control_mode=pd_joint_pos,option.render_backend=none,option.sim_backend=physx_cpu
# $(1): name of the run, $(2): the pre-training robots, $(3): whether policies see joints alone.
define MANISKILL_RUN
$(BIN)/ate run --profile demo --run $(MANISKILL)/$(1) --only 03 -p pretrain=$(2) -p adapt=$(MANISKILL)/adapt -p blind=$(3) \
  -p source=action -p align=smoke -p parameterizations=sample $(MANISKILL_SIZE) -p "simulator=$(CUBE),python=build/maniskill/bin/python"
endef
maniskill: venv build/maniskill/.installed
	test -d $(MANISKILL)/pretrain || build/maniskill/bin/python benchmarks/maniskill.py $(MANISKILL)/pretrain --task $(TASK) \
	  --episodes $(MANISKILL_EPISODES)
	test -d $(MANISKILL)/adapt || build/maniskill/bin/python benchmarks/maniskill.py $(MANISKILL)/adapt --task $(TASK) --episodes 10 \
	  --seed 2000000
	$(call MANISKILL_RUN,from-its-panda,$(MANISKILL)/pretrain,false)
	$(call MANISKILL_RUN,from-our-arms,$(LIFT)/pretrain,true)
